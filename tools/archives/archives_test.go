package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var files = []file{{"devctl", 0o755, []byte("program")}, {"LICENSE", 0o644, []byte("text")}}

func TestPack(t *testing.T) {
	want := []string{"devctl -rwxr-xr-x 1980-01-01 program", "LICENSE -rw-r--r-- 1980-01-01 text"}
	for name, read := range map[string]func(*testing.T, []byte) []string{"a.tar.gz": readTar, "a.zip": readZip} {
		t.Run(name, func(t *testing.T) {
			data, err := pack(name, files)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, data); !slices.Equal(got, want) {
				t.Errorf("the archive has %q, want %q", got, want)
			}
			again, err := pack(name, files)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, again) {
				t.Error("the same files give another archive")
			}
		})
	}
}

func line(info fs.FileInfo, content io.Reader) (string, error) {
	data, err := io.ReadAll(content)
	return fmt.Sprintf("%s %s %s %s", info.Name(), info.Mode(), info.ModTime().UTC().Format("2006-01-02"), data), err
}

func readTar(t *testing.T, data []byte) []string {
	t.Helper()
	uncompressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !uncompressed.ModTime.IsZero() {
		t.Errorf("the compressed stream has the time %s", uncompressed.ModTime)
	}
	var lines []string
	for archive := tar.NewReader(uncompressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		l, err := line(header.FileInfo(), archive)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

func readZip(t *testing.T, data []byte) []string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range archive.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		l, err := line(f.FileInfo(), content)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestKrewManifest checks what krew checks before it installs a plugin.
func TestKrewManifest(t *testing.T) {
	var downloads []download
	for _, p := range platforms {
		downloads = append(downloads, download{platform: p, uri: "https://example.com/" + p.archive("1.2.3"), sha256: strings.Repeat("0a", 32)})
	}
	text, err := krewManifest("1.2.3", downloads)
	if err != nil {
		t.Fatal(err)
	}
	var plugin krewPlugin
	if err := yaml.UnmarshalStrict(text, &plugin); err != nil {
		t.Fatal(err)
	}
	if plugin.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || plugin.Kind != "Plugin" {
		t.Errorf("krew does not know %s %s", plugin.APIVersion, plugin.Kind)
	}
	for name, test := range map[string]struct{ value, pattern string }{
		"metadata.name":         {plugin.Metadata.Name, `^devserver$`},
		"spec.version":          {plugin.Spec.Version, `^v1\.2\.3$`},
		"spec.shortDescription": {plugin.Spec.ShortDescription, `^[^\r\n]{1,80}$`},
		"spec.description":      {plugin.Spec.Description, `.`},
	} {
		if !regexp.MustCompile(test.pattern).MatchString(test.value) {
			t.Errorf("%s is %q, want a match of %s", name, test.value, test.pattern)
		}
	}
	var got []string
	for _, p := range plugin.Spec.Platforms {
		labels := p.Selector.MatchLabels
		got = append(got, fmt.Sprint(labels["os"], " ", labels["arch"], " ", p.URI, " ", p.Bin))
		if len(labels) != 2 {
			t.Errorf("the selector %v has labels other than os and arch", labels)
		}
		if !regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(p.SHA256) {
			t.Errorf("%q is not a SHA-256", p.SHA256)
		}
	}
	want := []string{
		"linux amd64 https://example.com/devctl_1.2.3_linux_amd64.tar.gz devctl",
		"linux arm64 https://example.com/devctl_1.2.3_linux_arm64.tar.gz devctl",
		"darwin amd64 https://example.com/devctl_1.2.3_darwin_amd64.tar.gz devctl",
		"darwin arm64 https://example.com/devctl_1.2.3_darwin_arm64.tar.gz devctl",
		"windows amd64 https://example.com/devctl_1.2.3_windows_amd64.zip devctl.exe",
		"windows arm64 https://example.com/devctl_1.2.3_windows_arm64.zip devctl.exe",
	}
	if !slices.Equal(got, want) {
		t.Errorf("platforms:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
