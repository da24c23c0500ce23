// Package evidence reads the files by which software says that it is there: the
// databases of package managers, what builders write into programs, and what the
// package managers of languages leave beside their files.
//
// Strangers write these files. Each reader is bounded in what it reads and keeps,
// and a file that is none of its kind says nothing.
package evidence

import (
	"bytes"
	"io"
	"path"
	"strings"

	"cove/inventory/packages"
)

// Bounds on what one file may say.
const (
	maxText     = 64 << 20 // bytes of a database of packages, or of metadata
	maxOwned    = 200_000  // files that a database may own
	maxPackages = 50_000
	maxWord     = 512 // bytes of a name or version
	maxLicense  = 256
	// MaxFile is the largest file that is looked into.
	MaxFile = 1 << 30
)

// Body is the content of a file.
type Body struct {
	io.ReaderAt
	Size int64
}

// text is the content, when it is not too long.
func (b Body) text(most int64) []byte {
	if b.Size > most {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size))
	if err != nil {
		return nil
	}
	return text
}

// Reader reads what a file at a path says.
type Reader func(name string, b Body) packages.File

// kinds say by the path what a file is.
var kinds = []struct {
	is   func(name, base string) bool
	read Reader
}{
	{func(name, _ string) bool { return name == "var/lib/dpkg/status" }, dpkgStatus},
	{func(name, _ string) bool { return path.Dir(name) == "var/lib/dpkg/status.d" }, dpkgStatus}, // distroless
	{func(name, base string) bool {
		return path.Dir(name) == "var/lib/dpkg/info" && strings.HasSuffix(base, ".list")
	}, dpkgList},
	{
		func(name, _ string) bool { return name == "lib/apk/db/installed" || name == "usr/lib/apk/db/installed" },
		apkInstalled,
	},
	{isRPM, rpmDatabase},
	{isRPMManifest, rpmManifest},
	{func(name, _ string) bool { return name == "etc/os-release" || name == "usr/lib/os-release" }, osRelease},
	{func(name, base string) bool {
		return base == "package.json" && strings.Contains("/"+name, "/node_modules/")
	}, npmPackage},
	{func(name, base string) bool {
		return base == "package-lock.json" && !strings.Contains("/"+name, "/node_modules/")
	}, npmLock},
	{pythonMetadata, pythonPackage},
	{func(_, base string) bool { return isJava(base) }, archiveOfJava},
}

// ByName is the reader for files of this path; nil when only the content can tell.
func ByName(name string) Reader {
	base := path.Base(name)
	for _, k := range kinds {
		if k.is(name, base) {
			return k.read
		}
	}
	return nil
}

// magic begins every program of ELF.
var magic = []byte("\x7fELF")

// ByHead is the reader for a file that begins so; nil when it says nothing.
func ByHead(head []byte) Reader {
	if bytes.HasPrefix(head, magic) {
		return program
	}
	return nil
}

// HeadBytes is how much of a file ByHead wants to see.
const HeadBytes = 4

// plausible says whether a package is one that can be kept.
func plausible(p packages.Package) bool {
	for _, word := range []string{p.Name, p.Version, p.Source, p.SourceVersion, p.Arch} {
		if len(word) > maxWord || strings.ContainsAny(word, "\x00\n") {
			return false
		}
	}
	return p.Name != "" && p.Version != ""
}

// list is what of a list of packages is kept.
func list(all []packages.Package) (kept []packages.Package) {
	for _, p := range all {
		if len(kept) == maxPackages {
			break
		}
		if !plausible(p) {
			continue
		}
		p.License = license(p.License)
		kept = append(kept, p)
	}
	return kept
}

func license(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > maxLicense || strings.ContainsRune(text, 0) {
		return "" // the text of a licence, where its name belongs
	}
	return text
}

// owner collects the files that a package manager owns, of those that could say
// something else.
type owner struct{ hashes []uint64 }

func (o *owner) add(name string) {
	name = packages.Clean(name)
	dir := path.Base(path.Dir(name))
	base := path.Base(name)
	says := base == "package.json" || pythonMetadata(name, base) || isJava(base) ||
		dir == "bin" || dir == "sbin" || dir == "libexec"
	if says && len(o.hashes) < maxOwned {
		o.hashes = append(o.hashes, packages.Hash(name))
	}
}

func isJava(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}
