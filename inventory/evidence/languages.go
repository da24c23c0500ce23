package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/textproto"
	"path"
	"strings"

	"cove/inventory/packages"
)

// maxMetadata bounds a file that describes one package.
const maxMetadata = 8 << 20

// npmPackage reads the package.json of an installed package.
func npmPackage(name string, b Body) packages.File {
	var said struct {
		Name, Version string
		License       json.RawMessage
	}
	if json.Unmarshal(b.text(maxMetadata), &said) != nil {
		return packages.File{Path: name}
	}
	p := packages.Package{
		Type:    packages.NPM,
		Name:    said.Name,
		Version: said.Version,
		License: npmLicense(said.License),
	}
	return packages.File{Path: name, Packages: list([]packages.Package{p})}
}

// npmLicense is a name, or, in old packages, an object with one.
func npmLicense(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct{ Type string }
	_ = json.Unmarshal(raw, &object) // no licence then
	return object.Type
}

// locked is an entry of package-lock.json.
type locked struct {
	Name, Version, License string
	Dev, Link              bool
	Dependencies           json.RawMessage // packages of version 1, and ranges later
}

// npmLock reads package-lock.json, of all its versions.
func npmLock(name string, b Body) packages.File {
	var lock struct {
		Packages     map[string]locked
		Dependencies map[string]locked
	}
	if json.Unmarshal(b.text(maxText), &lock) != nil {
		return packages.File{Path: name}
	}
	var found []packages.Package
	for at, p := range lock.Packages {
		i := strings.LastIndex(at, "node_modules/")
		if p.Dev || p.Link || i < 0 {
			continue // not installed, elsewhere, or the project itself
		}
		called := at[i+len("node_modules/"):]
		if p.Name != "" {
			called = p.Name // an alias
		}
		found = append(
			found,
			packages.Package{Type: packages.NPM, Name: called, Version: p.Version, License: p.License},
		)
	}
	if len(lock.Packages) == 0 {
		found = lockedBefore(lock.Dependencies, 0)
	}
	return packages.File{Path: name, Packages: list(found)}
}

// lockedBefore reads the tree of version 1.
func lockedBefore(tree map[string]locked, depth int) (found []packages.Package) {
	const deepest = 64
	if depth > deepest {
		return nil
	}
	for called, p := range tree {
		if p.Dev {
			continue
		}
		found = append(found, packages.Package{Type: packages.NPM, Name: called, Version: p.Version})
		var below map[string]locked
		if json.Unmarshal(p.Dependencies, &below) == nil {
			found = append(found, lockedBefore(below, depth+1)...)
		}
	}
	return found
}

// pythonMetadata says whether a file describes an installed package (PEP 376, and
// what setuptools wrote before).
func pythonMetadata(name, base string) bool {
	dir := path.Base(path.Dir(name))
	switch base {
	case "METADATA":
		return strings.HasSuffix(dir, ".dist-info")
	case "PKG-INFO":
		return strings.HasSuffix(dir, ".egg-info") || dir == "EGG-INFO"
	}
	return strings.HasSuffix(base, ".egg-info")
}

// pythonPackage reads the head of core metadata, which is written like a mail's.
func pythonPackage(name string, b Body) packages.File {
	head, _, _ := bytes.Cut(b.text(maxMetadata), []byte("\n\n"))
	fields, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(head, "\n\n"...)))).ReadMIMEHeader()
	p := packages.Package{
		Type: packages.PyPI, Name: packages.PythonName(fields.Get("Name")), Version: fields.Get("Version"),
		License: fields.Get("License-Expression"),
	}
	if p.License == "" {
		p.License = fields.Get("License")
	}
	return packages.File{Path: name, Packages: list([]packages.Package{p})}
}
