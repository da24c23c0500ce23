package scancmd

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/scans"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
)

func TestNamesOfDatabases(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"all.zip":                     "all",
		"/tmp/NPM.zip":                "npm",
		"debian-tracker.json.gz":      "debian-tracker",
		"-":                           "-",
		".zip":                        "database",
		"osv.2026-11-28.jsonl":        "osv",
		"./folder.d/advisories.jsonl": "advisories",
	} {
		if got := nameOf(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func rows(items []command.Item) (all []string) {
	for _, it := range items {
		all = append(all, strings.Join(it.Row, "|"))
	}
	return all
}

func TestRowsOfFindings(t *testing.T) {
	t.Parallel()
	found := []scans.Finding{
		{
			ID:       "CVE-1",
			Severity: "Critical",
			Package:  "a",
			Version:  "1",
			Fixed:    "2",
			Title:    "one\ntwo",
		},
		{
			ID:       "CVE-2",
			Severity: "Medium",
			Package:  "b",
			Version:  "1",
			Status:   "will_not_fix",
		},
		{ID: "CVE-3", Severity: "Unknown", Package: "c", Version: "1"},
	}
	for least, want := range map[advisory.Severity][]string{
		advisory.Unknown: {
			"CVE-1|Critical|a|1|2|one",
			"CVE-2|Medium|b|1|will not fix|",
			"CVE-3|Unknown|c|1|-|",
		},
		advisory.High: {"CVE-1|Critical|a|1|2|one"},
	} {
		if got := rows(atLeast(found, least)); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s", least, strings.Join(got, "\n"))
		}
	}
}

func TestRowsOfImages(t *testing.T) {
	t.Parallel()
	e := results.Entry{
		Repository: "team/app", Tags: []string{"v1", "latest"},
		Scan: results.Scan{
			Digest: "sha256:1",
			Summary: advisory.Summary{
				Critical: 1,
				High:     2,
				Medium:   3,
				Low:      4,
				Fixable:  5,
			},
		},
	}
	if got := strings.Join(entry(scans.EntryOf(e)).Row, "|"); got != "team/app@sha256:1|1|2|3|4|5|v1,latest" {
		t.Error(got)
	}
}

func TestRowsOfExceptions(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]gate.Exception{
		"CVE-1|-|ada|-": {Vulnerability: "CVE-1", By: "ada"},
		"CVE-2|2020-01-02 03:04:05 UTC (over)|ada|not reachable": {
			Vulnerability: "CVE-2", By: "ada", Reason: "not reachable",
			Expires: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		"CVE-3|2120-01-02 03:04:05 UTC|ada|-": {
			Vulnerability: "CVE-3", By: "ada", Expires: time.Date(2120, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	} {
		if got := strings.Join(exception(scans.ExceptionOf(e, time.Now())).Row, "|"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]advisory.Severity{
		"none": advisory.None, "high": advisory.High, "CRITICAL": advisory.Critical,
	} {
		if got, err := severityOf(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := severityOf("bad"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("another word: %v", err)
	}
}

func TestWhose(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{Use: "list"}
	for _, tc := range []struct {
		project string
		all, ok bool
	}{{"team", false, true}, {"", true, true}, {"", false, false}, {"team", true, false}} {
		got, err := whose(cmd, tc.project, tc.all)
		if (err == nil) != tc.ok || got != tc.project && tc.ok {
			t.Errorf("%+v: %q, %v", tc, got, err)
		}
	}
}

// TestWhatIsImported is a file, or the standard input.
func TestWhatIsImported(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	cmd.SetIn(strings.NewReader("hello"))
	file, err := open(cmd, "-")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(file); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	for _, none := range []string{t.TempDir(), t.TempDir() + "/absent"} {
		if _, err := open(cmd, none); err == nil {
			t.Errorf("%s is a database", none)
		}
	}
}

// TestHeading tells of an image in a line.
func TestHeading(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]scans.Scan{
		"team/app@sha256:1: 12 packages, 3 vulnerabilities, 1 critical, 2 low, debian 12; not all was read: too large; it is kept back": {
			Packages: 12, System: "debian 12", Note: "too large", Held: true,
			Summary: scans.Summary{Total: 3, Summary: map[string]int{"Critical": 1, "Low": 2}},
		},
		"team/app@sha256:1 could not be scanned: no layers": {State: string(results.Failed), Note: "no layers"},
	} {
		s.Repository, s.Digest = "team/app", "sha256:1"
		var out bytes.Buffer
		if err := heading(&out, s); err != nil || out.String() != want+"\n" {
			t.Errorf("%v\n%s\nwant\n%s", err, &out, want)
		}
	}
}
