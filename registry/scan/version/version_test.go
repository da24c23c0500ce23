package version_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cove/errdefs"
	"cove/registry/scan/version"
)

// order has versions of a scheme, each before the next; "=" says that two are equal.
var order = map[version.Scheme]string{
	version.Debian: "0~a < 0 < 1~~ < 1~~a < 1~ < 1 < 1-1 < 1-1+deb12u1 < 1-1+deb12u10 < 1a < 1+b < 1.0 = 1.00 < 1.2~rc1-1 < 1.2-1 " +
		"< 1.10-1 < 1.10-1.1 < 20231231235959123456789 < 1:0 < 1:0.1-2 < 2:0",
	version.RPM: "1.0~beta < 1.0~rc1 < 1.0 < 1.0^20240101git < 1.0.a < 1.0.1 = 1.0_1 < 1.1a < 1.1.2 < 1.10 < 2.0-1.el9 < 2.0-1.el9_1 < 2.0-2.el9 < " +
		"1:0.1-1 < 1:0.1-2",
	version.Alpine: "0.1.0_alpha_pre2 < 0.1.0_alpha < 0.9.28.1 < 0.12 < 0.17-r6 < 0.98 < 0.20070118 < 0.20070207_rc1 < 1.0_alpha < 1.0_alpha2 < 1.0_beta < 1.0_pre1 < 1.0_rc3 < 1.0 < 1.0-r1 < 1.0-r10 < 1.0_git20240101 < 1.0_p1 < 1.0_p1-r3 < " +
		"1.0a < 1.0b < 1.0.0 < 1.01 < 1.1 < 1.1.1w-r0 < 1.10 < 3.0.12-r1",
	version.NPM:   "1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0-rc.1 < 1.0.0 = v1.0.0 < 1.0.1 < 1.10.0 < 2.0.0",
	version.Cargo: "0.1.0-pre < 0.1.0 < 0.1.1 < 0.2.0 < 1.0.0",
	version.Go:    "v0.0.0-20200101000000-aaaaaaaaaaaa < v0.0.0-20210101000000-aaaaaaaaaaaa < 1.2.3-0.20220101000000-aaaaaaaaaaaa < v1.2.3 = 1.2.3 < v1.20.0 < v2.0.0+incompatible",
	version.PyPI:  "1.0.dev1 < 1.0a1 < 1.0b2 < 1.0rc1 < 1.0 = 1.0.0 < 1.0.post1 < 1.1 < 1!0.1",
	version.Maven: "1-alpha-1 < 1-beta-1 < 1-rc-1 < 1-SNAPSHOT < 1 = 1.0 < 1-sp < 1.0.1 < 1.1 < 2.17.0 < 2.17.1 < 03.1 = 3.01 < 03.1.1",
}

func TestVersionsAreInOrder(t *testing.T) {
	t.Parallel()
	for scheme, line := range order {
		words := strings.Fields(line)
		for i := 0; i+2 < len(words); i += 2 {
			want := -1
			if words[i+1] == "=" {
				want = 0
			}
			if got := compare(t, scheme, words[i], words[i+2]); got != want {
				t.Errorf(
					"%s: %s and %s compare as %d, want %d",
					scheme,
					words[i],
					words[i+2],
					got,
					want,
				)
			}
			if got := compare(t, scheme, words[i+2], words[i]); got != -want {
				t.Errorf(
					"%s: %s and %s compare as %d, want %d",
					scheme,
					words[i+2],
					words[i],
					got,
					-want,
				)
			}
		}
		if version.Less(scheme, words[0], words[0]) ||
			!version.Less(scheme, words[0], words[len(words)-1]) {
			t.Errorf("%s: the first is not before the last alone", scheme)
		}
	}
}

func compare(t *testing.T, s version.Scheme, a, b string) int {
	t.Helper()
	v, err := version.Parse(s, a)
	if err != nil {
		t.Fatal(err)
	}
	w, err := version.Parse(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return max(-1, min(1, v.Compare(w)))
}

func TestTextsThatAreNoVersions(t *testing.T) {
	t.Parallel()
	for scheme, text := range map[version.Scheme]string{
		version.Debian: "", version.RPM: strings.Repeat("1", 300), version.Alpine: "latest", version.NPM: "one", version.Go: "v1.x.y",
		version.PyPI: "!", version.Maven: "", version.Cargo: "a.b.c", "brew": "1",
	} {
		if v, err := version.Parse(scheme, text); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %q is %v, %v", scheme, text, v, err)
		}
		if version.Less(scheme, text, "1.0") || version.Less(scheme, "1.0", text) {
			t.Errorf("%s: %q is before something", scheme, text)
		}
	}
}

// TestTheOrderIsOne holds what every order is: turned round it is the opposite, and
// what is between two others is so.
func TestTheOrderIsOne(t *testing.T) {
	t.Parallel()
	for scheme, pattern := range map[version.Scheme]string{
		version.Debian: `([01]:)?[0-2]{1,2}([.+~a][0-2a~]{1,2}){0,2}(-[01~a]{1,2})?`,
		version.RPM:    `([01]:)?[0-2]{1,2}([.~^a][0-2a~^]{1,2}){0,2}(-[01a]{1,2})?`,
		version.Alpine: `[0-2]{1,2}(\.[0-2]{1,2}){0,2}[ab]?(_(rc|p)[0-2]?)?(-r[0-2])?`,
	} {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			text := rapid.StringMatching(pattern)
			rapid.Check(t, func(r *rapid.T) {
				a, b, c := text.Draw(r, "a"), text.Draw(r, "b"), text.Draw(r, "c")
				if compare(t, scheme, a, b) != -compare(t, scheme, b, a) ||
					compare(t, scheme, a, a) != 0 {
					r.Fatalf(
						"%s and %s: %d and %d",
						a,
						b,
						compare(t, scheme, a, b),
						compare(t, scheme, b, a),
					)
				}
				if compare(t, scheme, a, b) < 0 && compare(t, scheme, b, c) < 0 &&
					compare(t, scheme, a, c) >= 0 {
					r.Fatalf(
						"%s < %s < %s, and the first is not before the last",
						a,
						b,
						c,
					)
				}
			})
		})
	}
}

// TestAlpineIsApks holds odd pairs of the table that apk-tools is tested with.
func TestAlpineIsApks(t *testing.T) {
	t.Parallel()
	for _, p := range strings.Split(`1.06-r6 006|013 014-r1|087-r1 103|0.94 2.01.01_alpha10|1.2.07.8 1.2.12.04|1.2.12.04 1.2.12.05|1.12-r7 6b-r7|
		0.15.1b 1.0.1|1.02.07 1.02.10-r1|4.2.52_p2-r1 4.2.52_p4-r2|02.08.01b 4.77|1.07-r1 1.07.5|0.98 1.00|0.9.2 1.00_beta2|0.7.18-r2 0.17-r6|
		1.3_pre1-r1 1.3.2|1.0_p9-r0 1.0_p10-r0|1.0.0_pre20191002222144-r0 1.0.0_pre20210530193627-r0|0.59s-r11 0.65|2.12r-r4 2.12r-r5|
		2.9.11_pre20051101 2.9.11_pre20051101-r2|3.0.20060720 20060720|7.0.17 7.0.174|0.9.28-r2 0.9.28.1|1.6.8_p9-r2 1.6.8_p12-r1`, "|") {
		a, b, _ := strings.Cut(strings.TrimSpace(p), " ")
		if compare(t, version.Alpine, a, b) != -1 || compare(t, version.Alpine, b, a) != 1 {
			t.Errorf("%s is not before %s", a, b)
		}
	}
}

// TestDebianIsDpkgs holds the order against that of the machine's dpkg.
func TestDebianIsDpkgs(t *testing.T) {
	t.Parallel()
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("needs dpkg")
	}
	text := rapid.StringMatching(
		`([01]:)?[0-2]{1,2}([.+~a][0-2a~]{1,2}){0,2}(-[01~a]{1,2})?`,
	)
	for i := range 300 {
		a, b := text.Example(i), text.Example(i+1000)
		if a == "" || b == "" {
			continue
		}
		less := exec.CommandContext(t.Context(), dpkg, "--compare-versions", a, "lt", b).
			Run() ==
			nil
		if got := version.Less(version.Debian, a, b); got != less {
			t.Errorf("%s < %s is %v, dpkg says %v", a, b, got, less)
		}
	}
}
