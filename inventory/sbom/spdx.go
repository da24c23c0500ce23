package sbom

import (
	"strconv"
	"strings"
	"time"

	"cove/inventory/packages"
)

// What of SPDX 2.3 is written (spdx.github.io/spdx-spec/v2.3).
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		License       string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
		Comment  string   `json:"comment,omitempty"`
	}
	spdxPackage struct {
		Name       string         `json:"name"`
		ID         string         `json:"SPDXID"`
		Version    string         `json:"versionInfo,omitempty"`
		Download   string         `json:"downloadLocation"`
		Analyzed   bool           `json:"filesAnalyzed"`
		Source     string         `json:"sourceInfo,omitempty"`
		Concluded  string         `json:"licenseConcluded"`
		Declared   string         `json:"licenseDeclared"`
		Comment    string         `json:"licenseComments,omitempty"`
		Copyright  string         `json:"copyrightText"`
		Checksums  []spdxChecksum `json:"checksums,omitempty"`
		References []spdxRef      `json:"externalRefs,omitempty"`
		Purpose    string         `json:"primaryPackagePurpose,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

// incomplete says why there may be more than is listed; "" when there is not.
func incomplete(image packages.Image) string {
	if image.Partial == "" {
		return ""
	}
	return "The list may not be complete: " + image.Partial + "."
}

const none = "NOASSERTION"

func spdx(s Subject, image packages.Image) spdxDocument {
	const document, root = "SPDXRef-DOCUMENT", "SPDXRef-image"
	doc := spdxDocument{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: document, Name: s.Name + "@" + s.Digest.String(),
		Namespace: "urn:uuid:" + uuid("spdx "+s.Name+"@"+s.Digest.String()),
		Creation: spdxCreation{
			Created: s.Created.UTC().Format(time.RFC3339), Creators: []string{"Tool: " + s.Tool},
			Comment: incomplete(image),
		},
		Packages: []spdxPackage{{
			Name: s.Name, ID: root, Version: s.Digest.String(), Download: none, Concluded: none, Declared: none,
			Copyright: none, Purpose: "CONTAINER",
			Checksums: []spdxChecksum{{
				Algorithm: strings.ToUpper(s.Digest.Algorithm().String()), Value: s.Digest.Encoded(),
			}},
			References: []spdxRef{{"PACKAGE-MANAGER", "purl", s.purl()}},
		}},
		Relationships: []spdxRelationship{{document, "DESCRIBES", root}},
	}
	for i, p := range image.Packages {
		id := "SPDXRef-package-" + strconv.Itoa(i+1)
		declared, comment := none, ""
		if License(p.License) {
			declared = p.License
		} else if p.License != "" {
			comment = "declared as: " + p.License
		}
		doc.Packages = append(doc.Packages, spdxPackage{
			Name: p.Name, ID: id, Version: p.Version, Download: none, Source: "found in /" + p.Path, Concluded: none,
			Declared: declared, Comment: comment, Copyright: none,
			References: []spdxRef{{"PACKAGE-MANAGER", "purl", packages.PURL(p.Package, image.Release)}},
		})
		doc.Relationships = append(doc.Relationships, spdxRelationship{root, "CONTAINS", id})
	}
	return doc
}
