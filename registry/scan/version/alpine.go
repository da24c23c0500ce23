package version

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// alpine is the grammar of apk-package(5): numbers, a letter, suffixes, the hash of a
// commit and a revision.
var alpine = regexp.MustCompile(
	`^([0-9]+(?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(~[0-9a-f]+)?(?:-r([0-9]+))?$`)

func validAlpine(text string) bool { return alpine.MatchString(text) }

// suffixes in their order; none is between "rc" and "cvs".
var suffixes = []string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}

// compareAlpine is the order of apk-tools.
func compareAlpine(a, b string) int {
	pa, pb := alpine.FindStringSubmatch(a), alpine.FindStringSubmatch(b)
	return cmp.Or(
		compareAlpineNumbers(pa[1], pb[1]),
		strings.Compare(pa[2], pb[2]),
		compareSuffixes(pa[3], pb[3]),
		compareNumber(pa[5], pb[5]),
	)
}

// compareAlpineNumbers: behind the first, one that begins with a zero is compared
// like a fraction.
func compareAlpineNumbers(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		c := compareNumber(as[i], bs[i])
		if i > 0 && (as[i][0] == '0' || bs[i][0] == '0') {
			c = strings.Compare(as[i], bs[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func compareSuffixes(a, b string) int {
	as, bs := strings.Split(a, "_")[1:], strings.Split(b, "_")[1:]
	if a == "" {
		as = nil
	}
	if b == "" {
		bs = nil
	}
	for i := range max(len(as), len(bs)) {
		ra, na := suffix(as, i)
		rb, nb := suffix(bs, i)
		if c := cmp.Or(cmp.Compare(ra, rb), compareNumber(na, nb)); c != 0 {
			return c
		}
	}
	return 0
}

func suffix(all []string, i int) (rank int, number string) {
	if i >= len(all) {
		return slices.Index(suffixes, ""), ""
	}
	name := strings.TrimRight(all[i], "0123456789")
	return slices.Index(suffixes, name), all[i][len(name):]
}
