package vulndb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/scan/vulndb"
)

func nothing(context.Context, *metadata.Tx, vulndb.Source) error { return nil }

func load(t *testing.T, over *vulndb.DB, name, text string) vulndb.Source {
	t.Helper()
	s, err := over.Import(
		t.Context(),
		vulndb.New{Name: name, Origin: "x.json", By: "ada"},
		strings.NewReader(text),
		int64(len(text)),
		nothing,
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// document is one of OSV: of a package, in a range of versions.
func document(id, ecosystem, name, events, severity string) string {
	return fmt.Sprintf(`{"id":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},`+
		`"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}],"database_specific":{"severity":%q}}`+"\n",
		id, ecosystem, name, events, severity)
}

// rows counts those of a table.
func rows(t *testing.T, database *metadata.DB, table string) (n int) {
	t.Helper()
	if err := database.Querier().Row(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDatabasesReplaceEachOther imports many rows and leaves none behind.
func TestDatabasesReplaceEachOther(t *testing.T) {
	t.Parallel()
	metadatatest.Each(
		t,
		func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
			database := open(t, time.Now)
			over := vulndb.Over(database)
			var text strings.Builder
			const n = 2345
			for i := range n {
				text.WriteString(
					document(
						fmt.Sprintf("CVE-2024-%d", i),
						"npm",
						fmt.Sprintf("p%d", i%100),
						`{"introduced":"0"}`,
						"LOW",
					),
				)
			}
			if s := load(t, over, "osv", text.String()); s.Advisories != n ||
				s.Vulnerabilities != n {
				t.Errorf("%+v", s)
			}
			load(
				t,
				over,
				"osv",
				document("CVE-1", "npm", "p1", `{"introduced":"0"}`, "LOW"),
			)
			load(
				t,
				over,
				"other",
				document("CVE-1", "npm", "p1", `{"introduced":"0"}`, "HIGH"),
			)
			if got := rows(t, database, "scan_advisories"); got != 2 {
				t.Errorf("%d advisories are left", got)
			}
			if got := rows(t, database, "scan_vulnerabilities"); got != 2 {
				t.Errorf("%d vulnerabilities are left", got)
			}
			all, err := vulndb.Sources(t.Context(), database.Querier())
			if err != nil || len(all) != 2 || all[0].Name != "osv" || all[1].By != "ada" {
				t.Errorf("%+v, %v", all, err)
			}
			if some, err := vulndb.Any(t.Context(), database.Querier()); err != nil ||
				!some {
				t.Errorf("any: %v, %v", some, err)
			}
			refused := errors.New("no")
			_, err = over.Import(
				t.Context(),
				vulndb.New{Name: "osv"},
				strings.NewReader(text.String()),
				int64(
					text.Len(),
				),
				func(context.Context, *metadata.Tx, vulndb.Source) error { return refused },
			)
			if !errors.Is(err, refused) || rows(t, database, "scan_advisories") != 2 ||
				rows(t, database, "scan_sources") != 2 {
				t.Errorf("an import that is refused at its end: %v", err)
			}
			v, err := vulndb.Vulnerability(t.Context(), database.Querier(), "CVE-none")
			if err != nil || v.ID != "" {
				t.Errorf("one that nobody knows: %+v, %v", v, err)
			}
		},
	)
}

// TestMatching holds what comes of several advisories for one package.
func TestMatching(t *testing.T) {
	t.Parallel()
	database := metadatatest.OpenSQLite(t, time.Now)
	over := vulndb.Over(database)
	load(
		t,
		over,
		"one",
		document("CVE-1", "npm", "x", `{"introduced":"0"},{"fixed":"2.0.0"}`, "LOW")+
			document("CVE-1", "npm", "x", `{"introduced":"0"},{"fixed":"1.5.0"}`, "HIGH")+
			document("CVE-2", "npm", "x", `{"introduced":"3.0.0"}`, "HIGH")+
			document("CVE-3", "npm", "x", `{"introduced":"0"}`, "")+
			document(
				"CVE-4",
				"Rocky Linux:9",
				"openssl",
				`{"introduced":"0"},{"fixed":"1:3.0.7-25.el9"}`,
				"HIGH",
			)+
			document(
				"CVE-5",
				"Rocky Linux:9",
				"openssl-libs",
				`{"introduced":"0"},{"fixed":"1:3.0.7-20.el9"}`,
				"LOW",
			),
	)
	load(
		t,
		over,
		"two",
		`{"openssl":{"CVE-3":{"releases":{"bookworm":{"status":"open","urgency":"high"}}}}}`,
	)
	subjects := []vulndb.Subject{
		{
			ID:            1,
			Ecosystem:     "npm",
			Type:          packages.NPM,
			Name:          "x",
			Version:       "1.0.0",
			Source:        "x",
			SourceVersion: "1.0.0",
		},
		{
			ID:            2,
			Ecosystem:     "npm",
			Type:          packages.NPM,
			Name:          "y",
			Version:       "1.0.0",
			Source:        "y",
			SourceVersion: "1.0.0",
		},
		{
			ID: 3, Ecosystem: "rocky:9", Type: packages.RPM, Name: "openssl-libs", Version: "1:3.0.7-16.el9",
			Source: "openssl", SourceVersion: "1:3.0.7-16.el9",
		},
		{
			ID:            4,
			Type:          packages.Debian,
			Name:          "x",
			Version:       "1",
			Source:        "x",
			SourceVersion: "1",
		},
	}
	found, err := vulndb.Match(t.Context(), database.Querier(), subjects)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64][]string{}
	for id, list := range found {
		for _, f := range list {
			got[id] = append(
				got[id],
				strings.TrimSpace(f.Vulnerability+" "+f.Severity.String()+" "+f.Fixed),
			)
		}
	}
	want := map[int64][]string{
		1: {"CVE-1 High 1.5.0", "CVE-3 Unknown"},
		3: {"CVE-4 High 1:3.0.7-25.el9", "CVE-5 Low 1:3.0.7-20.el9"},
	}
	if len(got) != len(want) || !slices.Equal(got[1], want[1]) ||
		!slices.Equal(got[3], want[3]) {
		t.Errorf("%v", got)
	}
}

// TestPlans: what is asked once for each package goes by an index.
func TestPlans(t *testing.T) {
	t.Parallel()
	database := metadatatest.OpenSQLite(t, time.Now)
	for _, stmt := range []string{
		"SELECT affected FROM scan_advisories WHERE ecosystem = 'npm' AND package IN ('a', 'b')",
		"SELECT severity FROM scan_vulnerabilities WHERE id IN ('a', 'b')",
		"SELECT vulnerability FROM scan_findings WHERE package_id IN (1, 2)",
		"SELECT package_id FROM scan_findings WHERE vulnerability = 'CVE-1'",
		"SELECT state FROM scan_artifacts WHERE digest = 'x'",
		"SELECT digest FROM scan_artifacts ORDER BY critical DESC, high DESC, medium DESC, digest DESC LIMIT 50",
		"SELECT worst, state, COUNT(*) FROM scan_artifacts GROUP BY worst, state",
	} {
		rows, err := database.Querier().Rows(t.Context(), "EXPLAIN QUERY PLAN "+stmt)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var plan string
			if err := rows.Scan(&id, &parent, &unused, &plan); err != nil {
				t.Error(err)
			}
			if !strings.Contains(plan, "INDEX") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s\n%s", stmt, plan)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{
		"osv": nil, "osv-npm.2": nil, "": errdefs.ErrInvalid, "OSV": errdefs.ErrInvalid, "a b": errdefs.ErrInvalid,
		strings.Repeat("a", 64): errdefs.ErrInvalid,
	} {
		if err := vulndb.CheckName(name); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
