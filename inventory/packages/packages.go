// Package packages is what software a layer or an image holds: packages of a
// distribution and of languages, as files say. Package inventory reads it from
// layers.
package packages

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
)

// The types of packages, as package URLs have them (purl-spec).
const (
	Debian = "deb"
	Alpine = "apk"
	RPM    = "rpm"
	NPM    = "npm"
	PyPI   = "pypi"
	Maven  = "maven"
	Cargo  = "cargo"
	Go     = "golang"
)

// Package is one piece of software.
type Package struct {
	Type    string `json:"t"`
	Name    string `json:"n"` // of Maven with its group: "org.slf4j:slf4j-api"
	Version string `json:"v"`
	// Source and SourceVersion are of what a package of a distribution was built
	// from; "" is the package's own.
	Source        string `json:"s,omitempty"`
	SourceVersion string `json:"w,omitempty"`
	Arch          string `json:"a,omitempty"`
	License       string `json:"l,omitempty"`
	// Module is the stream of a modular package of rpm.
	Module string `json:"m,omitempty"`
}

// Lookup is the name and version by which advisories know the package.
func (p Package) Lookup() (name, number string) {
	return cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
}

// OfSystem says that the package is one of a distribution.
func (p Package) OfSystem() bool { return p.Type == Debian || p.Type == Alpine || p.Type == RPM }

// Release is a distribution, as os-release(5) says it.
type Release struct {
	ID      string `json:"id"`                // "debian"
	Version string `json:"version,omitempty"` // "12", "3.18.4"; "" of one that rolls
	Name    string `json:"name,omitempty"`    // for people
}

// PURL is the package URL of a package in an image of a distribution.
func PURL(p Package, r Release) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var b strings.Builder
	b.WriteString("pkg:" + p.Type + "/")
	name := p.Name
	switch p.Type {
	case Debian, Alpine, RPM:
		if r.ID != "" {
			b.WriteString(escape(r.ID) + "/")
		}
	case Maven:
		name = strings.Replace(name, ":", "/", 1)
	case PyPI:
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	for i, part := range strings.Split(name, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(escape(part))
	}
	if _, number := epoch(p); number != "" {
		b.WriteString("@" + escape(number))
	}
	if q := qualifiers(p, r); len(q) > 0 {
		b.WriteString("?" + strings.ReplaceAll(q.Encode(), "+", "%20"))
	}
	return b.String()
}

func qualifiers(p Package, r Release) url.Values {
	q := url.Values{}
	if !p.OfSystem() {
		return q
	}
	if p.Arch != "" {
		q.Set("arch", p.Arch)
	}
	if r.ID != "" {
		q.Set("distro", strings.TrimSuffix(r.ID+"-"+r.Version, "-"))
	}
	if number, _ := epoch(p); number != "" {
		q.Set("epoch", number)
	}
	switch source, number := p.Lookup(); {
	case number != p.Version:
		q.Set("upstream", source+"@"+number)
	case source != p.Name:
		q.Set("upstream", source)
	}
	return q
}

// epoch is what a package URL says apart from the version, of rpm alone.
func epoch(p Package) (epoch, number string) {
	before, after, ok := strings.Cut(p.Version, ":")
	if !ok || p.Type != RPM {
		return "", p.Version
	}
	return before, after
}

// order is that of lists; packages that differ by their licence alone are the same.
func order(a, b Package) int {
	return cmp.Or(
		strings.Compare(a.Type, b.Type),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version),
		strings.Compare(a.Arch, b.Arch),
		strings.Compare(a.Source, b.Source),
		strings.Compare(a.SourceVersion, b.SourceVersion),
		strings.Compare(a.Module, b.Module),
	)
}

// Found is a package with the file that says it is there.
type Found struct {
	Package
	Path string
}

// Image is what layers hold together.
type Image struct {
	Release  Release
	Packages []Found // by type, name and version, each once
	// Partial says why there may be more; "" when all was read.
	Partial string
}

// sort puts the packages in order and leaves out what is there twice: the same module
// in ten programs is one package, found in the first that says its licence.
func (i *Image) sort() {
	slices.SortFunc(i.Packages, func(a, b Found) int {
		return cmp.Or(order(a.Package, b.Package), cmp.Compare(min(len(b.License), 1), min(len(a.License), 1)),
			strings.Compare(a.Path, b.Path))
	})
	i.Packages = slices.CompactFunc(i.Packages, func(a, b Found) bool { return order(a.Package, b.Package) == 0 })
}

// within says whether a path is at dir or below it.
func within(name, dir string) bool {
	return dir == "" || name == dir || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}

// Clean is a path as layers have it: without a slash at either end.
func Clean(name string) string { return path.Clean("/" + name)[1:] }

// PythonName is a name as PyPI knows it (PEP 503).
func PythonName(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r == '-' || r == '_' || r == '.'
	}), "-")
}
