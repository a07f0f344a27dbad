package main

import (
	"sigs.k8s.io/yaml"
)

// download is an archive and where to get it.
type download struct {
	platform
	uri, sha256 string
}

// The part of krew's manifest format that a plugin in plain archives needs:
// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest
type (
	krewPlugin struct {
		APIVersion string       `json:"apiVersion"`
		Kind       string       `json:"kind"`
		Metadata   krewMetadata `json:"metadata"`
		Spec       krewSpec     `json:"spec"`
	}
	krewMetadata struct {
		Name string `json:"name"`
	}
	krewSpec struct {
		// Version is a semantic version, with the prefix v.
		Version          string         `json:"version"`
		ShortDescription string         `json:"shortDescription"`
		Description      string         `json:"description"`
		Platforms        []krewPlatform `json:"platforms"`
	}
	krewPlatform struct {
		Selector krewSelector `json:"selector"`
		URI      string       `json:"uri"`
		SHA256   string       `json:"sha256"`
		// Bin is the program in the archive. krew links it as kubectl-devserver.
		Bin string `json:"bin"`
	}
	krewSelector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
)

// krewManifest describes the plugin "kubectl devserver". In an index of plugins
// the file must be called devserver.yaml; `kubectl krew install --manifest=FILE`
// takes it under any name.
func krewManifest(version string, downloads []download) ([]byte, error) {
	plugin := krewPlugin{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2",
		Kind:       "Plugin",
		Metadata:   krewMetadata{Name: "devserver"},
		Spec: krewSpec{
			Version:          "v" + version,
			ShortDescription: "Create, use and manage SSH dev servers",
			Description: "Create dev servers on a cluster with the DevServer operator, log in to them\n" +
				"with SSH, and list, suspend, resume and delete them.\n",
		},
	}
	for _, d := range downloads {
		plugin.Spec.Platforms = append(plugin.Spec.Platforms, krewPlatform{
			Selector: krewSelector{MatchLabels: map[string]string{"os": d.os, "arch": d.arch}},
			URI:      d.uri,
			SHA256:   d.sha256,
			Bin:      d.program(),
		})
	}
	return yaml.Marshal(plugin)
}
