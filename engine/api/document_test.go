package api_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"cove/engine/api"
	"cove/engine/api/route"
	"cove/engine/api/wire"
)

var update = flag.Bool("update", false, "write docs/engine-api.md anew")

// page is the documentation of the table.
func page(table []route.Route) string {
	var b strings.Builder
	b.WriteString(`# The Engine API

What ` + "`cove api serve`" + ` answers, made of its table of routes by ` + "`go test ./engine/api -update`" + `. Every path is served with a
version, ` + "`/v" + wire.Oldest.String() + "` to `/v" + wire.Newest.String() + "`" + `, and without, which is the newest. "Since" is the first version that has it;
"permission" what the socket needs (` + "`--allow`" + `; a dash is none); "test" the command of docker's, or the test, that drives it.
How to use it is in [docker.md](docker.md).

| method | path | since | permission | test |
|---|---|---|---|---|
`)
	rows := slices.Clone(table)
	slices.SortStableFunc(rows, func(a, b route.Route) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	for _, r := range rows {
		since := r.Since
		if since.Before(wire.Oldest) {
			since = wire.Oldest
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, r.Path, since, cmp.Or(string(r.Needs), "-"), r.Test)
	}
	b.WriteString("\n## What clients rely on\n\nWhat docker's clients need of all answers, and what holds cove to it. The shapes of answers by\n" +
		"version are in [shapes.txt](../engine/api/testdata/shapes.txt).\n\n| | rule | tests |\n|---|---|---|\n")
	for i, sentences := range rules {
		for j, r := range sentences {
			name := ""
			if j == 0 {
				name = fmt.Sprintf("A%d", i+1)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, r.text, strings.ReplaceAll(r.tests, " ", ", "))
		}
	}
	return b.String()
}

func TestDocumentIsTheTable(t *testing.T) {
	t.Parallel()
	const name = "../../docs/engine-api.md"
	want := page(api.Table(t.Context(), fresh(t), nil))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v): go test ./engine/api -update", name, err)
	}
}
