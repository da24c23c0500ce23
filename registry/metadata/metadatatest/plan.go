package metadatatest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cove/registry/db"
	"cove/registry/metadata"
)

// errTakenBack ends the transaction of Planned.
var errTakenBack = errors.New("taken back")

// Planned has ask run its statements in a transaction, which is taken back, and has the
// database explain each: one that reads a whole table or index fails the test. It returns
// how many were explained. PostgreSQL is told to avoid such plans at any price, so that
// the size of a test's tables decides nothing.
func Planned(t *testing.T, m *metadata.DB, ask func(ctx context.Context, tx *metadata.Tx) error) (explained int) {
	t.Helper()
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		p := &planned{Querier: tx.Tx.Querier, t: t, postgres: tx.Tx.ForUpdate != ""}
		if p.postgres {
			for _, way := range []string{"seqscan", "hashjoin", "mergejoin"} {
				if _, err := tx.Tx.Exec(ctx, "SET LOCAL enable_"+way+" = off"); err != nil {
					return err
				}
			}
		}
		tx.Tx.Querier = p
		if err := ask(ctx, tx); err != nil {
			return err
		}
		explained = p.n
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		t.Fatal(err)
	}
	return explained
}

type planned struct {
	db.Querier
	t        *testing.T
	postgres bool
	n        int
}

func (p *planned) Row(ctx context.Context, stmt string, args ...any) db.Scanner {
	p.explain(ctx, stmt, args)
	return p.Querier.Row(ctx, stmt, args...)
}

func (p *planned) Rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error) {
	p.explain(ctx, stmt, args)
	return p.Querier.Rows(ctx, stmt, args...)
}

func (p *planned) Exec(ctx context.Context, stmt string, args ...any) (int64, error) {
	p.explain(ctx, stmt, args)
	return p.Querier.Exec(ctx, stmt, args...)
}

func (p *planned) explain(ctx context.Context, stmt string, args []any) {
	p.t.Helper()
	var scans []string
	var err error
	if p.n++; p.postgres {
		scans, err = p.inPostgres(ctx, stmt, args)
	} else {
		scans, err = p.inSQLite(ctx, stmt, args)
	}
	if err != nil {
		p.t.Errorf("%s: %v", stmt, err)
	}
	for _, scan := range scans {
		p.t.Errorf("%s\n  %s", stmt, scan)
	}
}

// made are results of subqueries, which are no tables.
var made = []string{"SCAN CONSTANT ROW", "SCAN 2-ROW VALUES CLAUSE", "SCAN x", "SCAN y", "SCAN h", "SCAN d", "SCAN (subquery"}

func (p *planned) inSQLite(ctx context.Context, stmt string, args []any) (scans []string, err error) {
	err = db.Each(ctx, p.Querier, func(s db.Scanner) (bool, error) {
		var id, parent, unused int
		var step string
		err := s.Scan(&id, &parent, &unused, &step)
		scan := strings.HasPrefix(step, "SCAN ")
		for _, m := range made {
			scan = scan && !strings.HasPrefix(step, m)
		}
		if scan {
			scans = append(scans, step)
		}
		return true, err
	}, "EXPLAIN QUERY PLAN "+stmt, args...)
	return scans, err
}

// node is a part of PostgreSQL's plan.
type node struct {
	Type      string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Condition string `json:"Index Cond"`
	Plans     []node `json:"Plans"`
}

func (p *planned) inPostgres(ctx context.Context, stmt string, args []any) ([]string, error) {
	text, err := db.ScanString(p.Querier.Row(ctx, "EXPLAIN (FORMAT JSON) "+stmt, args...))
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		return nil, errors.Join(err, errors.New("no plan"))
	}
	return plans[0].Plan.scans(), nil
}

// scans are the nodes that read all of a table or of an index.
func (n node) scans() (all []string) {
	whole := n.Type == "Seq Scan" || strings.HasPrefix(n.Type, "Index") || n.Type == "Bitmap Index Scan"
	if whole && n.Condition == "" {
		all = append(all, n.Type+" of "+n.Relation+" "+n.Index)
	}
	for _, below := range n.Plans {
		all = append(all, below.scans()...)
	}
	return all
}
