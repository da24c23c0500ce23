package sbom_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/inventory/sbom"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	subject = sbom.Subject{
		Name: "team/app", Digest: digest.FromString("app"), Tool: "cove-1.0",
		Created: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
	}
	image = packages.Image{
		Release: packages.Release{ID: "debian", Version: "12"},
		Packages: []packages.Found{
			{
				Package: packages.Package{
					Type: packages.Debian, Name: "libssl3", Version: "3.0.11-1", Source: "openssl", Arch: "amd64",
				},
				Path: "var/lib/dpkg/status",
			},
			{
				Package: packages.Package{
					Type: packages.Maven, Name: "org.slf4j:slf4j-api", Version: "1.7.36", License: "MIT License",
				},
				Path: "app.jar",
			},
			{
				Package: packages.Package{
					Type:    packages.NPM,
					Name:    "@a/b",
					Version: "1.0.0",
					License: "(MIT OR Apache-2.0)",
				},
				Path: "app/node_modules/@a/b/package.json",
			},
		},
	}
)

// TestBills holds the bills against golden files, and makes each twice.
func TestBills(t *testing.T) {
	t.Parallel()
	for _, form := range []string{sbom.SPDX, sbom.CycloneDX} {
		got, err := sbom.Write(form, subject, image)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", form+".golden.json")
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s (%v):\n%s", form, golden, err, got)
		}
		if again, err := sbom.Write(form, subject, image); err != nil ||
			!bytes.Equal(again, got) {
			t.Errorf("%s: the second differs: %v", form, err)
		}
	}
	if _, err := sbom.Write("syft", subject, image); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("another form: %v", err)
	}
}

// TestAnEmptyImage has lists where the forms ask for them.
func TestAnEmptyImage(t *testing.T) {
	t.Parallel()
	for form, lists := range map[string][]string{
		sbom.SPDX: {"packages", "relationships"}, sbom.CycloneDX: {"components", "dependencies"},
	} {
		text, err := sbom.Write(form, subject, packages.Image{})
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		for _, list := range lists {
			if len(doc[list]) == 0 || doc[list][0] != '[' {
				t.Errorf("%s: %s is %s", form, list, doc[list])
			}
		}
	}
}

func TestLicenses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"MIT": true, "MIT OR Apache-2.0": true, "(MIT AND ISC) OR Zlib": true, "": false, "MIT License": false,
		"MIT OR": false, "OR MIT": false, "(MIT": false, "mit": false, "MIT ISC": false, "Commercial": false,
	} {
		if got := sbom.License(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
