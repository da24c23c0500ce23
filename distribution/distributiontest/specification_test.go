package distributiontest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

const (
	tree          = "../.." // the root of this repository
	specification = "github.com/opencontainers/distribution-spec@v1.1.1"
)

// demand is one row of testdata/specification.tsv: what a line of the
// specification asks, and where it is tested.
type demand struct {
	line                         int
	section, keywords, who, what string
	tests                        []string
	remark                       string
}

func demands(t *testing.T) []demand {
	t.Helper()
	text, err := os.ReadFile("testdata/specification.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []demand
	for row := range strings.Lines(string(text)) {
		f := append(strings.Split(strings.TrimSuffix(row, "\n"), "\t"), "")
		if strings.HasPrefix(row, "#") {
			continue
		}
		line, err := strconv.Atoi(f[0])
		if err != nil || len(f) < 7 {
			t.Fatalf("not a row: %q", row)
		}
		all = append(all, demand{line, f[1], f[2], f[3], f[4], strings.Split(f[5], "; "), f[6]})
	}
	return all
}

// TestSpecificationIsCovered: each line of the specification with a MUST or SHOULD
// has a row, which says the same keywords.
func TestSpecificationIsCovered(t *testing.T) {
	t.Parallel()
	rows := map[int]demand{}
	for _, d := range demands(t) {
		rows[d.line] = d
	}
	keyword := regexp.MustCompile(`\b(MUST NOT|MUST|SHOULD NOT|SHOULD|SHALL NOT|SHALL|REQUIRED|NOT RECOMMENDED|RECOMMENDED)\b`)
	section, number := "", 0
	for line := range strings.Lines(specificationText(t)) {
		number++
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		words := keyword.FindAllString(line, -1)
		if words == nil || strings.HasPrefix(line, "The key words ") {
			continue
		}
		d, ok := rows[number]
		switch {
		case !ok:
			t.Errorf("line %d has no row: %s", number, line)
		case d.keywords != strings.Join(words, ", ") || d.section != section:
			t.Errorf("line %d is of %q and says %q, its row %q and %q", number, section, words, d.section, d.keywords)
		}
		delete(rows, number)
	}
	for line := range rows {
		t.Errorf("there is a row for line %d, which asks nothing", line)
	}
}

// specificationText is spec.md as the module of the specification has it.
func specificationText(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", specification)
	cmd.Dir = t.TempDir() // what go.mod asks for is not what this needs
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil || module.Dir == "" {
		t.Fatalf("%s is not to be had (\"make deps-test\" brings it): %s", specification, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "spec.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSpecificationIsTested: every row names tests, and they are there.
func TestSpecificationIsTested(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	source := func(pattern string) string {
		if text, ok := sources[pattern]; ok {
			return text
		}
		files, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		sources[pattern] = string(all)
		return string(all)
	}
	for _, d := range demands(t) {
		for _, test := range d.tests {
			in, name, _ := strings.Cut(test, ".")
			pattern, declared := in+"/*_test.go", "func "+name+"("
			switch in {
			case "table":
				pattern, declared = "distribution/distributiontest/table.go", fmt.Sprintf("name: %q", name)
			case "suite":
				pattern, declared = "distribution/distributiontest/suite.go", fmt.Sprintf("{%q, test", name)
			}
			if name == "" || !strings.Contains(source(pattern), declared) {
				t.Errorf("line %d (%s): there is no test %q", d.line, d.what, test)
			}
		}
	}
}

// TestSpecificationTable: docs/conformance.md is the table.
func TestSpecificationTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(tree, "docs", "conformance.md")
	want := conformancePage(demands(t))
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/conformance.md is not as the table (%v); run this with -update", err)
	}
}

func conformancePage(all []demand) []byte {
	var page bytes.Buffer
	page.WriteString(`# What the OCI Distribution Specification asks, and what tests it

Every MUST, SHOULD and the like of [version 1.1.1](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md), by its line there.
The tests of this repository fail for a line without a row and for a row whose test is not there, so the table is whole. It is made from
` + "`distribution/distributiontest/testdata/specification.tsv`" + ` by ` + "`go test ./distribution/distributiontest -run Specification -update`" + `.

"table" is a request of ` + "`distribution/distributiontest/table.go`" + `, "suite" a test of ` + "`suite.go`" + ` beside it. Both are run against a registry in memory, and
by ` + "`registry/store`" + ` against SQLite with a folder, PostgreSQL with a folder, and PostgreSQL with a bucket. The others are Go tests by their package.
`)
	counts := map[string]int{}
	section := ""
	for _, d := range all {
		counts[d.who]++
		if d.section != section {
			section = d.section
			fmt.Fprintf(&page, "\n## %s\n\n| line | of | asks | what | tests |\n|---|---|---|---|---|\n", section)
		}
		what := d.what
		if d.remark != "" {
			what += " — " + d.remark
		}
		fmt.Fprintf(&page, "| %d | %s | %s | %s | %s |\n", d.line, d.who, d.keywords, what, testsCell(d.tests))
	}
	fmt.Fprintf(&page, "\n%d lines: %d ask something of registries, %d of clients, %d of both.\n",
		len(all), counts["registry"], counts["client"], counts["both"])
	return page.Bytes()
}

// testsCell lists tests, those of a kind together.
func testsCell(tests []string) string {
	var kinds []string
	names := map[string][]string{}
	for _, test := range tests {
		in, name, _ := strings.Cut(test, ".")
		if !slices.Contains(kinds, in) {
			kinds = append(kinds, in)
		}
		names[in] = append(names[in], name)
	}
	var cells []string
	for _, in := range kinds {
		cells = append(cells, in+": "+strings.Join(names[in], ", "))
	}
	return strings.Join(cells, "; ")
}
