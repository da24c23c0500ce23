package evidence

import (
	"bytes"
	"compress/zlib"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io"
	"strings"

	"cove/inventory/packages"
)

// program reads what Go and Rust (cargo auditable) write into what they build.
func program(name string, b Body) (f packages.File) {
	f.Path = name
	// Both libraries promise not to panic, and a stranger has written the file.
	defer func() { _ = recover() }()
	at := io.NewSectionReader(b, 0, b.Size)
	if info, err := buildinfo.Read(at); err == nil {
		f.Packages = list(goModules(info))
		return f
	}
	f.Packages = list(crates(at))
	return f
}

func goModules(info *buildinfo.BuildInfo) []packages.Package {
	compiler, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	found := []packages.Package{{Type: packages.Go, Name: "stdlib", Version: compiler}}
	if info.Main.Path != "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		found = append(found, goModule(info.Main.Path, info.Main.Version))
	}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		if dep.Version != "" { // one of a directory has none
			found = append(found, goModule(dep.Path, dep.Version))
		}
	}
	return found
}

func goModule(name, version string) packages.Package {
	return packages.Package{Type: packages.Go, Name: name, Version: strings.TrimPrefix(version, "v")}
}

// crates reads the section that cargo auditable adds: JSON, packed by zlib.
func crates(r io.ReaderAt) (found []packages.Package) {
	file, err := elf.NewFile(r)
	if err != nil {
		return nil
	}
	section := file.Section(".dep-v0")
	if section == nil || section.Size > 8<<20 {
		return nil
	}
	packed, err := section.Data()
	if err != nil {
		return nil
	}
	unpacked, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	defer unpacked.Close()
	var tree struct {
		Packages []struct {
			Name, Version, Source, Kind string
		} `json:"packages"`
	}
	if json.NewDecoder(io.LimitReader(unpacked, maxText)).Decode(&tree) != nil {
		return nil
	}
	for _, p := range tree.Packages {
		if p.Kind != "build" && p.Kind != "dev" { // "" is of the program itself
			found = append(found, packages.Package{Type: packages.Cargo, Name: p.Name, Version: p.Version})
		}
	}
	return found
}
