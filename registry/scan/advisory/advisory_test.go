package advisory_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/scan/advisory"
	"cove/registry/scan/version"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		scheme version.Scheme
		of     advisory.Affected
		have   string
		fixed  string
		is     bool
	}{
		{"before the mended one", version.Debian, advisory.Affected{Ranges: []advisory.Range{{Before: "3.0.11-1~deb12u2"}}}, "3.0.11-1~deb12u1", "3.0.11-1~deb12u2", true},
		{"the mended one", version.Debian, advisory.Affected{Ranges: []advisory.Range{{Before: "3.0.11-1~deb12u2"}}}, "3.0.11-1~deb12u2", "", false},
		{"a later branch", version.NPM, advisory.Affected{Ranges: []advisory.Range{{Before: "1.2.3"}, {From: "2.0.0", Before: "2.0.5"}}}, "2.0.1", "2.0.5", true},
		{"between branches", version.NPM, advisory.Affected{Ranges: []advisory.Range{{Before: "1.2.3"}, {From: "2.0.0", Before: "2.0.5"}}}, "1.9.0", "", false},
		{"the last one that has it", version.PyPI, advisory.Affected{Ranges: []advisory.Range{{UpTo: "0.6.2"}}}, "0.6.2", "", true},
		{"after it", version.PyPI, advisory.Affected{Ranges: []advisory.Range{{UpTo: "0.6.2"}}}, "0.6.3", "", false},
		{"not mended", version.RPM, advisory.Affected{Ranges: []advisory.Range{{}}}, "1:2.3-4.el9", "", true},
		{"a module beside the package", version.RPM, advisory.Affected{Ranges: []advisory.Range{{Before: "1:18.19.0-1.module+el9.3.0+1"}}}, "1:16.20.2-3.el9", "", false},
		{"named", version.Maven, advisory.Affected{Versions: []string{"1.0", "1.1"}, Ranges: []advisory.Range{{From: "3", Before: "3.5"}}}, "1.1", "3.5", true},
		{"a name that is no version", version.Cargo, advisory.Affected{Versions: []string{"odd"}}, "odd", "", true},
		{"no version", version.NPM, advisory.Affected{Ranges: []advisory.Range{{}}}, "odd", "", false},
		{"all of them", version.Go, advisory.Affected{}, "1.2.3", "", true},
		{"of Go, whose advisories write no v", version.Go, advisory.Affected{Versions: []string{"1.2.3"}}, "v1.2.3", "", true},
	} {
		if fixed, is := tc.of.Match(tc.scheme, tc.have); fixed != tc.fixed ||
			is != tc.is {
			t.Errorf("%s: %v, mended in %q", tc.name, is, fixed)
		}
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]advisory.Severity{
		"HIGH": advisory.High, "moderate": advisory.Medium, "Important": advisory.High, "unimportant": advisory.Negligible,
		"low**": advisory.Low, "": advisory.Unknown, "odd": advisory.Unknown, "none": advisory.Unknown,
	} {
		if got := advisory.Judged(word); got != want {
			t.Errorf("%q is %s", word, got)
		}
	}
	for vector, want := range map[string]advisory.Severity{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H":                    advisory.Critical,
		"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N":                    advisory.High,
		"CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N": advisory.Medium,
		"AV:L/AC:H/Au:N/C:P/I:N/A:N":                                      advisory.Low,
		"CVSS:3.1/nonsense":                                               advisory.Unknown,
	} {
		if got := advisory.OfScore(advisory.Score(vector)); got != want {
			t.Errorf("%s is %s (%.1f)", vector, got, advisory.Score(vector))
		}
	}
	if _, err := advisory.ParseSeverity("bad"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("another word: %v", err)
	}
	var sum advisory.Summary
	for i, s := range append(advisory.Severities(), advisory.High) {
		sum.Add(s, i%2 == 0)
	}
	text, err := json.Marshal(sum)
	want := `{"total":7,"fixable":4,"summary":{"Critical":1,"High":2,"Low":1,"Medium":1,"Negligible":1,"Unknown":1}}`
	if err != nil || string(text) != want || sum.Worst() != advisory.Critical ||
		(advisory.Summary{}).Worst() != advisory.None {
		t.Errorf("%s, %v", text, err)
	}
}

// TestEcosystems: what an image is called and what OSV calls it meet.
func TestEcosystems(t *testing.T) {
	t.Parallel()
	for osv, r := range map[string]packages.Release{
		"Debian:12":                           {ID: "debian", Version: "12"},
		"Ubuntu:22.04:LTS":                    {ID: "ubuntu", Version: "22.04"},
		"Alpine:v3.18":                        {ID: "alpine", Version: "3.18.4"},
		"Rocky Linux:9":                       {ID: "rocky", Version: "9.3"},
		"AlmaLinux:9":                         {ID: "almalinux", Version: "9.3"},
		"Red Hat:enterprise_linux:9::baseos":  {ID: "rhel", Version: "9.4"},
		"openSUSE:Leap 15.5":                  {ID: "opensuse-leap", Version: "15.5"},
		"SUSE:Linux Enterprise Server 15 SP5": {ID: "sles", Version: "15.5"},
		"Azure Linux:3":                       {ID: "azurelinux", Version: "3.0"},
		"Wolfi":                               {ID: "wolfi", Version: "20230201"},
		"Chainguard":                          {ID: "chainguard"},
	} {
		if got, want := advisory.OfOSV(osv), advisory.OfRelease(r); got != want ||
			got == "" {
			t.Errorf("%s is %q, %v is %q", osv, got, r, want)
		}
	}
	for _, none := range []string{"Debian", "Debian:12:x", "Packagist", "Ubuntu:Pro:22.04:LTS", "Linux"} {
		if got := advisory.OfOSV(none); got != "" {
			t.Errorf("%s is %s", none, got)
		}
	}
	if got := advisory.Ecosystem(packages.Package{Type: packages.Go}, packages.Release{}); got != "golang" {
		t.Errorf("of Go: %s", got)
	}
	if got := advisory.Ecosystem(packages.Package{Type: packages.Debian}, packages.Release{ID: "debian"}); got != "" {
		t.Errorf("of a Debian without a release: %s", got)
	}
}

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	v := advisory.Vulnerability{
		ID: "CVE-1", Title: strings.Repeat("ä", 300), Description: "a\x00b",
		Links: []string{
			"javascript:alert(1)",
			"https://a.example/",
			"https://a.example/\x00",
		},
	}
	if !v.Trim() || len(v.Title) > 200 || v.Description != "ab" ||
		!slices.Equal(v.Links, []string{"https://a.example/"}) {
		t.Errorf("%+v", v)
	}
	if (&advisory.Vulnerability{ID: "CVE\x00"}).Trim() ||
		(&advisory.Vulnerability{}).Trim() {
		t.Error("an id that is none is kept")
	}
	a := advisory.Advisory{Vulnerability: "CVE-1", Ecosystem: "npm", Package: "x"}
	if !a.Sound() ||
		(advisory.Advisory{Vulnerability: "CVE-1", Ecosystem: "npm", Package: "x\x00"}).Sound() {
		t.Error("which advisories are sound")
	}
	if got := advisory.Names("GHSA-1", "CVE-1", "GO-1", "CVE-1"); !slices.Equal(
		got,
		[]string{"CVE-1"},
	) {
		t.Errorf("names: %v", got)
	}
	if got := advisory.Names("MAL-1"); !slices.Equal(got, []string{"MAL-1"}) {
		t.Errorf("names: %v", got)
	}
}
