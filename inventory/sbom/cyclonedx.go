package sbom

import (
	"strings"
	"time"

	"cove/inventory/packages"
)

// What of CycloneDX 1.6 is written (cyclonedx.org/docs/1.6/json).
type (
	cdxDocument struct {
		Schema       string          `json:"$schema"`
		Format       string          `json:"bomFormat"`
		Version      string          `json:"specVersion"`
		Serial       string          `json:"serialNumber"`
		Revision     int             `json:"version"`
		Metadata     cdxMetadata     `json:"metadata"`
		Components   []cdxComponent  `json:"components"`
		Dependencies []cdxDependency `json:"dependencies"`
	}
	cdxMetadata struct {
		Timestamp string       `json:"timestamp"`
		Tools     cdxTools     `json:"tools"`
		Component cdxComponent `json:"component"`
	}
	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}
	cdxComponent struct {
		Ref        string        `json:"bom-ref,omitempty"`
		Type       string        `json:"type"`
		Group      string        `json:"group,omitempty"`
		Name       string        `json:"name"`
		Version    string        `json:"version,omitempty"`
		Hashes     []cdxHash     `json:"hashes,omitempty"`
		Licenses   []cdxLicense  `json:"licenses,omitempty"`
		PURL       string        `json:"purl,omitempty"`
		Properties []cdxProperty `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxLicense struct {
		License    *cdxNamed `json:"license,omitempty"`
		Expression string    `json:"expression,omitempty"`
	}
	cdxNamed struct {
		Name string `json:"name"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn,omitempty"`
	}
)

func cyclonedx(s Subject, image packages.Image) cdxDocument {
	tool, version, _ := strings.Cut(s.Tool, "-")
	root := cdxComponent{
		Ref: s.purl(), Type: "container", Name: s.Name, Version: s.Digest.String(), PURL: s.purl(),
		Hashes: []cdxHash{{
			strings.Replace(strings.ToUpper(s.Digest.Algorithm().String()), "SHA", "SHA-", 1), s.Digest.Encoded(),
		}},
	}
	doc := cdxDocument{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Version: "1.6",
		Serial: "urn:uuid:" + uuid("cyclonedx "+s.Name+"@"+s.Digest.String()), Revision: 1,
		Metadata: cdxMetadata{
			Timestamp: s.Created.UTC().Format(time.RFC3339), Component: root,
			Tools: cdxTools{[]cdxComponent{{Type: "application", Name: tool, Version: version}}},
		},
		Components: []cdxComponent{},
	}
	if r := image.Release; r.ID != "" {
		doc.Components = append(doc.Components, cdxComponent{
			Ref: "system", Type: "operating-system", Name: r.ID, Version: r.Version,
		})
	}
	on := cdxDependency{Ref: root.Ref}
	for _, p := range image.Packages {
		url := packages.PURL(p.Package, image.Release)
		c := cdxComponent{
			Ref: url, Type: "library", Name: p.Name, Version: p.Version, PURL: url,
			Properties: []cdxProperty{{"cove:path", "/" + p.Path}},
		}
		if group, name, ok := strings.Cut(p.Name, ":"); ok && p.Type == packages.Maven {
			c.Group, c.Name = group, name
		}
		switch {
		case License(p.License):
			c.Licenses = []cdxLicense{{Expression: p.License}}
		case p.License != "":
			c.Licenses = []cdxLicense{{License: &cdxNamed{p.License}}}
		}
		if n := len(on.On); n > 0 && on.On[n-1] == url {
			continue // it differs in what no URL says
		}
		doc.Components = append(doc.Components, c)
		on.On = append(on.On, url)
	}
	doc.Dependencies = []cdxDependency{on}
	return doc
}
