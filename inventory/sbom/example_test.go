package sbom_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/inventory/packages"
	"cove/inventory/sbom"
)

// What layers hold becomes a document that other tools read.
func ExampleWrite() {
	image := packages.Image{
		Release: packages.Release{ID: "debian", Version: "12"},
		Packages: []packages.Found{{
			Package: packages.Package{Type: packages.Debian, Name: "openssl", Version: "3.0.17-1"}, Path: "var/lib/dpkg/status",
		}},
	}
	text, err := sbom.Write(sbom.CycloneDX, sbom.Subject{
		Name: "team/app", Digest: digest.FromString("image"), Created: time.Unix(0, 0).UTC(), Tool: "cove-1.0",
	}, image)
	if err != nil {
		fmt.Println(err)
		return
	}
	var doc struct {
		BOMFormat  string
		Components []struct{ PURL string }
	}
	err = json.Unmarshal(text, &doc)
	fmt.Println(doc.BOMFormat, doc.Components[len(doc.Components)-1].PURL, err)
	// Output: CycloneDX pkg:deb/debian/openssl@3.0.17-1?distro=debian-12 <nil>
}
