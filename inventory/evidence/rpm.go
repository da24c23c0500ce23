package evidence

import (
	"path"
	"strconv"
	"strings"

	"cove/inventory/packages"
	"cove/inventory/rpmdb"
)

// isRPM says whether a file is rpm's database: where rpm has it by default, where SUSE
// and Fedora have it, and where a system of ostree has it.
func isRPM(name, base string) bool {
	switch path.Dir(name) {
	case "var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm":
		return base == "rpmdb.sqlite" || base == "Packages.db" || base == "Packages"
	}
	return false
}

// isRPMManifest says whether a file is the list that images of Azure Linux have in the
// place of a database.
func isRPMManifest(name, _ string) bool { return name == "var/lib/rpmmanifest/container-manifest-2" }

func rpmDatabase(name string, b Body) packages.File {
	var found []packages.Package
	var o owner
	// What a damaged one has before the damage is there.
	_ = rpmdb.Read(b, b.Size, func(p rpmdb.Package) {
		if p.Name == "gpg-pubkey" || len(found) >= maxPackages {
			return // a key, which rpm keeps as if it were a package
		}
		found = append(found, ofRPM(packages.Package{
			Name: p.Name, Version: numbered(p.Epoch, p.Version, p.Release), Arch: p.Arch,
			License: p.License, Module: p.Module,
		}, p.Source))
		p.Files(o.add)
	})
	return packages.File{Path: name, Packages: list(found), Owned: o.hashes}
}

// numbered is a version as advisories write it: the epoch is left out when it is none.
func numbered(epoch uint32, version, release string) string {
	if release != "" {
		version += "-" + release
	}
	if epoch != 0 {
		version = strconv.FormatUint(uint64(epoch), 10) + ":" + version
	}
	return version
}

// ofRPM completes a package, of whose module no more than name and stream are kept.
// Sources is the file name of the package of sources, whose epoch nothing says: it is
// the package's own, where the versions are the same.
func ofRPM(p packages.Package, sources string) packages.Package {
	p.Type = packages.RPM
	parts := strings.SplitN(p.Module, ":", 3)
	if p.Module = ""; len(parts) > 1 {
		p.Module = parts[0] + ":" + parts[1]
	}
	if p.Arch == "(none)" {
		p.Arch = ""
	}
	sources = strings.TrimSuffix(strings.TrimSuffix(sources, ".src.rpm"), ".nosrc.rpm")
	before, release, ok := cutLast(sources)
	source, number, ok2 := cutLast(before)
	if !ok || !ok2 {
		return p
	}
	if source != p.Name {
		p.Source = source
	}
	_, own, hasEpoch := strings.Cut(p.Version, ":")
	if !hasEpoch {
		own = p.Version
	}
	if number += "-" + release; number != own {
		p.SourceVersion = number
	}
	return p
}

func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// rpmManifest reads a list of packages, one a line: name, version with release, two
// times, the vendor, a field that is not used, the size, architecture, epoch and the
// file name of the package of sources.
func rpmManifest(name string, b Body) packages.File {
	const fields = 10
	var found []packages.Package
	for line := range strings.Lines(string(b.text(maxText))) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) < fields {
			continue
		}
		epoch, _ := strconv.ParseUint(f[8], 10, 32) // "(none)" is none
		p := packages.Package{Name: f[0], Version: numbered(uint32(epoch), f[1], ""), Arch: f[7]}
		found = append(found, ofRPM(p, f[9]))
	}
	return packages.File{Path: name, Packages: list(found)}
}
