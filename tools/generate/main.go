// Command generate generates files from the comments and types in the Go code: deep
// copies, CustomResourceDefinitions, the chart's templates for them and for the
// operator's permissions, and the API reference.
//
//	go -C tools run ./generate ..
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/deepcopy"
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/rbac"
	"sigs.k8s.io/yaml"
)

// Places in the repository.
const (
	apiPackages      = "./api/..."
	apiPackage       = "api/v1"
	operatorPackages = "./internal/..."
	crdDir           = "config/crd"
	chartTemplates   = "charts/devserver-operator/templates"
	referencePage    = "docs/api.md"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate REPOSITORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(repository string) error {
	// The loader finds packages from the working directory.
	if err := os.Chdir(repository); err != nil {
		return err
	}
	boundForeignTypes()

	// The API package does not compile without deep copies, so they are generated
	// first, in a run of their own.
	err := generate(deepcopy.Generator{}, genall.OutputArtifacts{}, apiPackages)
	if err != nil {
		return err
	}

	omit := true
	crds := outputToMemory{}
	if err := generate(crd.Generator{OmitToolVersion: &omit}, crds, apiPackages); err != nil {
		return err
	}
	if len(crds) == 0 {
		return fmt.Errorf("no kind in %s has a CustomResourceDefinition", apiPackages)
	}

	roles := outputToMemory{}
	if err := generate(rbac.Generator{RoleName: operatorRole}, roles, operatorPackages); err != nil {
		return err
	}

	src, err := readSource(apiPackage)
	if err != nil {
		return err
	}
	var definitions []*apiextensionsv1.CustomResourceDefinition

	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(crds)) {
		plain := crds[name]
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(plain.Bytes(), definition); err != nil {
			return fmt.Errorf("decoding the generated %s: %w", name, err)
		}
		// DevServer is listed before the kinds that it refers to.
		definitions = append([]*apiextensionsv1.CustomResourceDefinition{definition}, definitions...)
		files[filepath.Join(crdDir, name)] = plain.Bytes()
		files[filepath.Join(chartTemplates, "crds", name)] = crdTemplate(plain.Bytes())
	}
	files[referencePage] = reference(definitions, src)
	for _, role := range roles {
		templates, err := roleTemplates(role.Bytes())
		if err != nil {
			return err
		}
		for name, template := range templates {
			files[filepath.Join(chartTemplates, name)] = template
		}
	}
	return write(files, crdDir, filepath.Join(chartTemplates, "crds"))
}

// generate runs one of controller-gen's generators over packages.
func generate(generator genall.Generator, output genall.OutputRule, packages ...string) error {
	run, err := genall.Generators{&generator}.ForRoots(packages...)
	if err != nil {
		return err
	}
	run.OutputRules = genall.OutputRules{Default: output}
	if failed := run.Run(); failed {
		return fmt.Errorf("%T failed", generator)
	}
	return nil
}

// write writes files, and removes other YAML files from the given folders: those are
// outdated.
func write(files map[string][]byte, dirs ...string) error {
	for _, dir := range dirs {
		old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			return err
		}
		for _, name := range old {
			if _, exists := files[name]; exists {
				continue
			}
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
