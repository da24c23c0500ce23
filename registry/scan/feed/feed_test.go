package feed_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/scan/advisory"
	"cove/registry/scan/feed"
)

// told writes down what a database says, a line for each thing.
type told struct{ lines []string }

func (t *told) Vulnerability(_ context.Context, v advisory.Vulnerability) error {
	t.lines = append(
		t.lines,
		fmt.Sprintf("%s is %s %.1f: %s", v.ID, v.Severity, v.Score, v.Title),
	)
	return nil
}

func (t *told) Advisory(_ context.Context, a advisory.Advisory) error {
	t.lines = append(
		t.lines,
		fmt.Sprintf(
			"%s in %s %s %s %v %v %s",
			a.Vulnerability,
			a.Ecosystem,
			a.Package,
			a.Severity,
			a.Ranges,
			a.Versions,
			a.Status,
		),
	)
	return nil
}

func read(t testing.TB, text []byte) (form string, lines []string, err error) {
	t.Helper()
	var to told
	form, err = feed.Read(
		context.Background(),
		bytes.NewReader(text),
		int64(len(text)),
		&to,
	)
	slices.Sort(to.lines)
	return form, to.lines, err
}

// Documents as OSV's schema has them.
const (
	ghsa = `{"id":"GHSA-jfh8-c2jp-5v3q","aliases":["CVE-2021-44228"],"summary":"Remote code injection in Log4j","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
"affected":[{"package":{"ecosystem":"Maven","name":"org.apache.logging.log4j:log4j-core"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2.13.0"},{"fixed":"2.15.0"},{"introduced":"2.4"},{"fixed":"2.12.2"}]}]}],
"references":[{"type":"WEB","url":"https://example.com/a"}],"database_specific":{"severity":"CRITICAL"}}`
	pysec = `{"id":"PYSEC-2023-1","affected":[{"package":{"ecosystem":"PyPI","name":"Flask_Login"},"ranges":[{"type":"GIT","repo":"x","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"last_affected":"0.6.2"}]}],"versions":["0.6.1","0.7.0","odd"]}]}`
	dsa   = `{"id":"DSA-5532-1","upstream":["CVE-2023-1","CVE-2023-2"],"affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.11-1~deb12u2"}]}],"ecosystem_specific":{"urgency":"unimportant"}}]}`
	gone  = `{"id":"CVE-2020-1","withdrawn":"2021-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"x"},"versions":["1.0.0"]}]}`
	other = `{"id":"CVE-2020-2","affected":[{"package":{"ecosystem":"Packagist","name":"x"},"versions":["1.0.0"]},{"package":{"ecosystem":"Go","name":"stdlib"},"ranges":[{"type":"GIT"}]}]}`
)

var osvLines = []string{
	"CVE-2021-44228 in maven org.apache.logging.log4j:log4j-core Critical [{2.13.0 2.15.0 } {2.4 2.12.2 }] [] ",
	"CVE-2021-44228 is Critical 10.0: Remote code injection in Log4j",
	"CVE-2023-1 in debian:12 openssl Negligible [{ 3.0.11-1~deb12u2 }] [] ",
	"CVE-2023-1 is Unknown 0.0: ",
	"CVE-2023-2 in debian:12 openssl Negligible [{ 3.0.11-1~deb12u2 }] [] ",
	"CVE-2023-2 is Unknown 0.0: ",
	"PYSEC-2023-1 in pypi flask-login Unknown [{  0.6.2}] [0.7.0 odd] ",
	"PYSEC-2023-1 is Unknown 0.0: ",
}

func TestOSV(t *testing.T) {
	t.Parallel()
	all := []string{ghsa, pysec, dsa, gone, other}
	for name, text := range map[string][]byte{
		"zip":         zipped(t, all...),
		"a line each": []byte(strings.ReplaceAll(strings.Join(all, "\x00"), "\n", "")),
		"one by one":  []byte(strings.Join(all, "\n")),
		"list":        []byte("[" + strings.Join(all, ",") + "]"),
		"gzip":        gzipped(t, strings.Join(all, "\n")),
	} {
		if name == "a line each" {
			text = bytes.ReplaceAll(text, []byte("\x00"), []byte("\n"))
		}
		form, lines, err := read(t, text)
		if err != nil || form != feed.OSV || !slices.Equal(lines, osvLines) {
			t.Errorf(
				"%s: %s, %v\n%s\nwant\n%s",
				name,
				form,
				err,
				strings.Join(lines, "\n"),
				strings.Join(osvLines, "\n"),
			)
		}
	}
}

func zipped(t testing.TB, all ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i, text := range all {
		w, err := z.Create(fmt.Sprintf("%d.json", i))
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, text)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const debian = `{"openssl":{"CVE-2023-1":{"description":"a flaw","scope":"remote","releases":{
 "bookworm":{"status":"resolved","fixed_version":"3.0.11-1","urgency":"medium","repositories":{"bookworm":"3.0.11-1"}},
 "trixie":{"status":"resolved","fixed_version":"0","urgency":"unimportant"},
 "bullseye":{"status":"open","urgency":"not yet assigned","nodsa":"Minor issue","nodsa_reason":"ignored"},
 "sid":{"status":"open","urgency":"low"}}}},
"bash":{"CVE-2023-1":{"releases":{"bookworm":{"status":"open","urgency":"unimportant"}}},
 "CVE-2023-2":{"releases":{"bookworm":{"status":"undetermined","urgency":"high"},"bullseye":{"status":"open","urgency":"end-of-life"}}}}}`

func TestDebiansTracker(t *testing.T) {
	t.Parallel()
	want := []string{
		"CVE-2023-1 in debian:11 openssl Unknown [{  }] [] will_not_fix",
		"CVE-2023-1 in debian:12 bash Negligible [{  }] [] ",
		"CVE-2023-1 in debian:12 openssl Medium [{ 3.0.11-1 }] [] ",
		"CVE-2023-1 is Unknown 0.0: ",
		"CVE-2023-2 in debian:11 bash Unknown [{  }] [] end_of_life",
		"CVE-2023-2 is Unknown 0.0: ",
	}
	form, lines, err := read(t, []byte(debian))
	if err != nil || form != feed.Debian || !slices.Equal(lines, want) {
		t.Errorf("%s, %v\n%s", form, err, strings.Join(lines, "\n"))
	}
}

func TestWhatIsNoDatabase(t *testing.T) {
	t.Parallel()
	for name, text := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "an empty object": []byte("{}"), "another object": []byte(`{"a":1,"b":{"c":2}}`),
		"an archive of others": zipped(t), "cut": []byte(debian[:len(debian)-40]), "cut list": []byte("[" + ghsa),
		"a list of numbers": []byte("[1,2]"), "half a zip": zipped(t, ghsa)[:40], "half a gzip": gzipped(t, ghsa)[:30],
	} {
		if form, lines, err := read(t, text); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %s, %v: %v", name, form, err, lines)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{ghsa, debian, "[" + pysec + "]"} {
		f.Add([]byte(text))
	}
	f.Add(zipped(f, dsa))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _, _ = read(t, text) // it must not panic
	})
}
