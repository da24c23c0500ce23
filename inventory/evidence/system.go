package evidence

import (
	"bufio"
	"bytes"
	"strings"

	"cove/inventory/packages"
)

// paragraphs calls visit with the fields of each paragraph of deb822(5), and of apk's
// database, which is alike but for a ":" without a space. Of a field that has several
// lines the first is kept.
func paragraphs(text []byte, visit func(fields map[string]string, order []string)) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	fields, order := map[string]string{}, []string(nil)
	end := func() {
		if len(fields) > 0 {
			visit(fields, order)
		}
		fields, order = map[string]string{}, nil
	}
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			end()
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		order = append(order, line)
		fields[name] = strings.TrimSpace(value)
	}
	end()
}

// dpkgStatus reads /var/lib/dpkg/status, or a file of it.
func dpkgStatus(name string, b Body) packages.File {
	var found []packages.Package
	paragraphs(b.text(maxText), func(f map[string]string, _ []string) {
		// Distroless leaves the state out; elsewhere "deinstall ok config-files" is
		// what has gone.
		if state, said := f["Status"]; said && !strings.HasSuffix(state, " installed") {
			return
		}
		p := packages.Package{
			Type:    packages.Debian,
			Name:    f["Package"],
			Version: f["Version"],
			Arch:    f["Architecture"],
		}
		p.Source, p.SourceVersion = f["Source"], ""
		if source, in, ok := strings.Cut(p.Source, " "); ok {
			p.Source, p.SourceVersion = source, strings.Trim(in, "()")
		}
		if p.Source == p.Name {
			p.Source = ""
		}
		found = append(found, p)
	})
	return packages.File{Path: name, Packages: list(found)}
}

// dpkgList reads which files a package of dpkg has.
func dpkgList(name string, b Body) packages.File {
	var o owner
	for line := range strings.Lines(string(b.text(maxText))) {
		o.add(strings.TrimSuffix(line, "\n"))
	}
	return packages.File{Path: name, Owned: o.hashes}
}

// apkInstalled reads apk's database (apk-tools, "installed db").
func apkInstalled(name string, b Body) packages.File {
	var found []packages.Package
	var o owner
	paragraphs(b.text(maxText), func(f map[string]string, order []string) {
		p := packages.Package{
			Type: packages.Alpine, Name: f["P"], Version: f["V"], Arch: f["A"], License: f["L"], Source: f["o"],
		}
		if p.Source == p.Name {
			p.Source = ""
		}
		found = append(found, p)
		dir := ""
		for _, line := range order {
			switch key, value, _ := strings.Cut(line, ":"); key {
			case "F":
				dir = value
			case "R":
				o.add(dir + "/" + value)
			}
		}
	})
	return packages.File{Path: name, Packages: list(found), Owned: o.hashes}
}

// osRelease reads os-release(5).
func osRelease(name string, b Body) packages.File {
	const most = 64 << 10
	r := packages.Release{}
	for line := range strings.Lines(string(b.text(most))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		if len(value) > maxWord {
			continue
		}
		switch key {
		case "ID":
			r.ID = strings.ToLower(value)
		case "VERSION_ID":
			r.Version = value
		case "PRETTY_NAME":
			r.Name = value
		}
	}
	return packages.File{Path: name, Release: &r}
}
