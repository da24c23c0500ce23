package evidence

import (
	"archive/zip"
	"bufio"
	"bytes"
	"io"
	"path"
	"regexp"
	"strings"

	"cove/inventory/packages"
)

// Bounds on archives within archives.
const (
	maxNested      = 4         // how deep
	maxNestedBytes = 256 << 20 // of all nested ones of a file together
	maxMembers     = 200_000
)

// archiveOfJava reads a JAR and those within it.
func archiveOfJava(name string, b Body) packages.File {
	left := int64(maxNestedBytes)
	return packages.File{Path: name, Packages: list(jar(path.Base(name), b, 0, &left))}
}

func jar(name string, b Body, depth int, left *int64) (found []packages.Package) {
	z, err := zip.NewReader(b, b.Size)
	if err != nil || len(z.File) > maxMembers {
		return nil
	}
	var manifest map[string]string
	for _, f := range z.File {
		switch base := path.Base(f.Name); {
		case base == "pom.properties":
			p := properties(member(f, maxMetadata))
			found = append(found, artifact(p["groupId"], p["artifactId"], p["version"]))
		case f.Name == "META-INF/MANIFEST.MF":
			manifest = properties(unfold(member(f, maxMetadata)))
		case strings.EqualFold(path.Ext(base), ".jar") && depth < maxNested && *left > 0:
			text := member(f, *left)
			*left -= int64(len(text))
			found = append(found, jar(base, Body{bytes.NewReader(text), int64(len(text))}, depth+1, left)...)
		}
	}
	if own := named(name, manifest); !describes(found, own) {
		found = append(found, own)
	}
	return found
}

// member is a file of an archive; nil when it is longer than is wanted.
func member(f *zip.File, most int64) []byte {
	if f.UncompressedSize64 > uint64(max(0, most)) {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, most+1)) // the head may lie
	if err != nil || int64(len(text)) > most {
		return nil
	}
	return text
}

func artifact(group, name, number string) packages.Package {
	p := packages.Package{Type: packages.Maven, Name: name, Version: number}
	if group != "" && name != "" {
		p.Name = group + ":" + name
	}
	return p
}

// describes says whether one of the packages is the archive's own.
func describes(found []packages.Package, own packages.Package) bool {
	_, name, grouped := strings.Cut(own.Name, ":")
	if !grouped {
		name = own.Name
	}
	for _, p := range found {
		_, known, _ := strings.Cut(p.Name, ":")
		// Some files are named by group and artifact, or have dashes for what the pom
		// writes with a line.
		if known == name || strings.ReplaceAll(p.Name, ":", ".") == name ||
			strings.ReplaceAll(known, "_", "-") == name+"-"+own.Version {
			return true
		}
	}
	return own.Name == ""
}

var nameOfJar = regexp.MustCompile(`^(.+?)-(\d[\w.+~-]*)\.[a-z]+$`)

// named is what an archive without a pom is, by its manifest and its name.
func named(name string, manifest map[string]string) packages.Package {
	first := func(keys ...string) string {
		for _, k := range keys {
			if v := strings.TrimSpace(manifest[k]); v != "" && !strings.Contains(v, "${") {
				return v
			}
		}
		return ""
	}
	called, version := "", ""
	if m := nameOfJar.FindStringSubmatch(name); m != nil {
		called, version = m[1], m[2]
	}
	if version == "" {
		version = first("Implementation-Version", "Specification-Version", "Bundle-Version")
	}
	if called == "" {
		called = strings.TrimSuffix(name, path.Ext(name))
	}
	group := first("Implementation-Vendor-Id", "Bundle-SymbolicName")
	group, _, _ = strings.Cut(group, ";")
	group, _, _ = strings.Cut(group, "."+called) // a bundle is named by both
	if !strings.Contains(group, ".") {
		group = ""
	}
	return artifact(group, called, version)
}

// properties reads lines of "key=value" and "key: value".
func properties(text []byte) map[string]string {
	out := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if i := strings.IndexAny(line, "=:"); i > 0 && line[0] != '#' {
			out[strings.TrimSpace(line[:i])] = strings.TrimSpace(line[i+1:])
		}
	}
	return out
}

// unfold joins the lines of a manifest that go on in the next one.
func unfold(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\n "), nil)
}
