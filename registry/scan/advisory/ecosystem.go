package advisory

import (
	"regexp"
	"strings"

	"cove/inventory/packages"
	"cove/registry/scan/version"
)

// Ecosystem is where packages of a type come from, as this registry calls it:
// "npm", or a distribution with its release, "debian:12". It is "" where nobody
// watches over them, as in a distribution that is not known.
func Ecosystem(p packages.Package, r packages.Release) string {
	if !p.OfSystem() {
		return p.Type
	}
	return OfRelease(r)
}

// distributions say how many parts of a version's number make a release.
var distributions = map[string]struct {
	name  string
	parts int
}{
	"debian": {"debian", 1}, "raspbian": {"debian", 1}, "ubuntu": {"ubuntu", 2}, "alpine": {"alpine", 2},
	"rhel": {"rhel", 1}, "centos": {"rhel", 1}, "rocky": {"rocky", 1}, "almalinux": {"alma", 1}, "ol": {"oracle", 1},
	"amzn": {"amazon", 1}, "fedora": {"fedora", 1}, "photon": {"photon", 2}, "opensuse-leap": {"opensuse-leap", 2},
	"opensuse-tumbleweed": {"opensuse-tumbleweed", 0}, "sles": {"sles", 2}, "sle_hpc": {"sles", 2},
	"azurelinux": {"azure", 2}, "mariner": {"mariner", 2}, "wolfi": {"wolfi", 0}, "chainguard": {"chainguard", 0},
}

// OfRelease is the ecosystem of a distribution; "" of one that is not known.
func OfRelease(r packages.Release) string {
	d, ok := distributions[r.ID]
	if !ok || d.parts > 0 && r.Version == "" {
		return ""
	}
	if d.parts == 0 {
		return d.name
	}
	parts := strings.Split(r.Version, ".")
	return d.name + ":" + strings.Join(parts[:min(len(parts), d.parts)], ".")
}

// languages are OSV's names of those of languages.
var languages = map[string]string{
	"npm": packages.NPM, "PyPI": packages.PyPI, "Maven": packages.Maven, "crates.io": packages.Cargo, "Go": packages.Go,
}

// releases are OSV's names of those of distributions, with a group for the release.
var releases = []struct {
	is *regexp.Regexp
	id string
}{
	{regexp.MustCompile(`^Debian:(\d+)$`), "debian"},
	{regexp.MustCompile(`^Ubuntu:(\d+\.\d+)(?::LTS)?$`), "ubuntu"},
	{regexp.MustCompile(`^Alpine:v(\d+\.\d+)$`), "alpine"},
	{regexp.MustCompile(`^Rocky Linux:(\d+)`), "rocky"},
	{regexp.MustCompile(`^AlmaLinux:(\d+)`), "almalinux"},
	{regexp.MustCompile(`^Red Hat:enterprise_linux:(\d+)(?:::.*)?$`), "rhel"},
	{regexp.MustCompile(`^openSUSE:Leap (\d+\.\d+)$`), "opensuse-leap"},
	{regexp.MustCompile(`^openSUSE:Tumbleweed()$`), "opensuse-tumbleweed"},
	{regexp.MustCompile(`^SUSE:Linux Enterprise Server (\d+(?: SP\d+)?)(?:-LTSS)?$`), "sles"},
	{regexp.MustCompile(`^Photon OS:(\d+\.\d+)$`), "photon"},
	{regexp.MustCompile(`^Azure Linux:(\d+)$`), "azurelinux"},
	{regexp.MustCompile(`^Wolfi()$`), "wolfi"},
	{regexp.MustCompile(`^Chainguard()$`), "chainguard"},
}

// OfOSV is the ecosystem that OSV calls so; "" of one whose packages are not read.
func OfOSV(name string) string {
	if e, ok := languages[name]; ok {
		return e
	}
	for _, r := range releases {
		if m := r.is.FindStringSubmatch(name); m != nil {
			v := strings.Replace(m[1], " SP", ".", 1)
			if r.id == "azurelinux" {
				v += ".0"
			}
			return OfRelease(packages.Release{ID: r.id, Version: v})
		}
	}
	return ""
}

// SchemeOfSystem is how the versions of a distribution's packages are ordered.
func SchemeOfSystem(eco string) version.Scheme {
	switch name, _, _ := strings.Cut(eco, ":"); name {
	case "debian", "ubuntu":
		return version.Debian
	case "alpine", "wolfi", "chainguard":
		return version.Alpine
	}
	return version.RPM
}
