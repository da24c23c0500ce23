package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/people"
	"cove/registry/server/config"
)

const (
	manyMembers, manyGroups, manyRobots, manyRules = 10_000, 1_000, 1_000, 500

	groupsOfOne = 100 // that one member is in
)

// BenchmarkRights says how long it takes to decide what somebody may, with 10,000 members,
// 1,000 groups, 1,000 robots and 500 rules of trust in one project, beside a project with
// one member: by the policy alone, with nothing remembered, and as a whole request.
func BenchmarkRights(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { rightsOf(b, "") })
	b.Run("postgres", func(b *testing.B) { rightsOf(b, metadatatest.Postgres(b).New(b)) })
}

func rightsOf(b *testing.B, dsn string) {
	b.Helper()
	b.Setenv(AdminPasswordEnv, testPassword)
	cfg := config.Config{Root: metadatatest.Dir(b), Listen: "127.0.0.1:0", TLS: config.TLS{Off: true}, Database: dsn}
	cfg.Log.Level = "error"
	s, err := New(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.state.close(true); err != nil {
			b.Error(err)
		}
	})
	hash, err := s.state.hasher.Hash(b.Context(), testPassword)
	if err != nil {
		b.Fatal(err)
	}
	crowd := crowded(b, s.state.db, hash)
	if dsn != "" { // what its autovacuum does within a minute
		if _, err := s.state.db.Querier().Exec(b.Context(), "VACUUM ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
	judge := s.cfg.Judge()
	for _, one := range []struct {
		name string
		who  []metadata.User
		repo string
	}{
		{"member-alone", crowd.alone, "small/app"},
		{"member", crowd.members, "large/app"},
		{"member-of-100-groups", crowd.grouped, "large/app"},
		{"robot", crowd.robots, "large/app"},
		{"stranger", crowd.strangers, "large/app"},
	} {
		b.Run("decide/"+one.name, func(b *testing.B) {
			n := 0
			p99(b, func() error {
				n++
				_, err := judge.Explain(b.Context(), s.state.db, one.who[n*7919%len(one.who)], auth.Pull, one.repo)
				return err
			})
		})
		b.Run("request/"+one.name, func(b *testing.B) {
			want := http.StatusNotFound // there is no such tag
			if one.name == "stranger" {
				want = http.StatusForbidden
			}
			ask := func() error {
				r := httptest.NewRequestWithContext(b.Context(), "HEAD", "http://registry.test/v2/"+one.repo+"/manifests/v1", nil)
				r.SetBasicAuth(one.who[0].Name, testPassword)
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != want {
					return fmt.Errorf("%s: %d, want %d", one.name, w.Code, want)
				}
				return nil
			}
			if err := ask(); err != nil { // hashes the password, which is remembered then
				b.Fatal(err)
			}
			p99(b, ask)
		})
	}
}

// p99 reports how long the slowest one of a hundred takes.
func p99(b *testing.B, do func() error) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
}

// crowd is who has accounts.
type crowd struct{ alone, members, grouped, robots, strangers []metadata.User }

// crowded fills a database with people.
func crowded(b *testing.B, db *metadata.DB, hash string) (c crowd) {
	b.Helper()
	change := func(n int, do func(ctx context.Context, tx *metadata.Tx, i int) error) {
		b.Helper()
		const batch = 1000
		for first := 0; first < n; first += batch {
			err := db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				for i := first; i < min(n, first+batch); i++ {
					if err := do(ctx, tx, i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	var large, small metadata.Project
	change(1, func(ctx context.Context, tx *metadata.Tx, _ int) (err error) {
		if large, _, err = tx.CreateProject(ctx, "large", "admin"); err == nil {
			small, _, err = tx.CreateProject(ctx, "small", "admin")
		}
		return err
	})
	member := func(ctx context.Context, tx *metadata.Tx, of metadata.Project, userID, groupID int64, in string) error {
		return tx.SetMembership(ctx, people.Membership{
			Grant:  people.Grant{ProjectID: of.ID, Role: rights.Developer, Repositories: in},
			UserID: userID, GroupID: groupID, Matching: rights.Like(in),
		})
	}
	account := func(ctx context.Context, tx *metadata.Tx, u people.User, to *[]metadata.User) (metadata.User, error) {
		u.PasswordHash = hash
		u, err := tx.AddAccount(ctx, u)
		if to != nil {
			*to = append(*to, u)
		}
		return u, err
	}
	var groups []int64
	change(manyGroups, func(ctx context.Context, tx *metadata.Tx, i int) error {
		name := fmt.Sprint("group-", i)
		if err := tx.AddGroup(ctx, name); err != nil {
			return err
		}
		g, err := tx.Group(ctx, name)
		if err != nil {
			return err
		}
		groups = append(groups, g.ID)
		return member(ctx, tx, large, 0, g.ID, fmt.Sprintf("app-%d-*", i))
	})
	change(manyMembers, func(ctx context.Context, tx *metadata.Tx, i int) error {
		to := &c.members
		if i < 10 {
			to = &c.grouped
		}
		u, err := account(ctx, tx, people.User{Name: fmt.Sprint("user-", i), Kind: people.KindUser}, to)
		in := 1
		if i < 10 {
			in = groupsOfOne
		}
		for g := 0; err == nil && g < in; g++ {
			err = tx.PutInGroup(ctx, groups[(i*groupsOfOne+g)%manyGroups], u.ID, "")
		}
		if err != nil {
			return err
		}
		return member(ctx, tx, large, u.ID, 0, rights.Everywhere)
	})
	change(manyRobots+manyRules, func(ctx context.Context, tx *metadata.Tx, i int) error {
		kind, to := people.KindRobot, &c.robots
		name := fmt.Sprint("robot$large+r-", i)
		if i >= manyRobots {
			kind, to, name = people.KindTrust, nil, fmt.Sprint("trust$large+r-", i)
		}
		u, err := account(ctx, tx, people.User{Name: name, Kind: kind, ProjectID: large.ID}, to)
		if err != nil {
			return err
		}
		return member(ctx, tx, large, u.ID, 0, rights.Everywhere)
	})
	change(10, func(ctx context.Context, tx *metadata.Tx, i int) error {
		if _, err := account(ctx, tx, people.User{Name: fmt.Sprint("stranger-", i), Kind: people.KindUser}, &c.strangers); err != nil {
			return err
		}
		if i > 0 {
			return nil
		}
		u, err := account(ctx, tx, people.User{Name: "alone", Kind: people.KindUser}, &c.alone)
		if err != nil {
			return err
		}
		return member(ctx, tx, small, u.ID, 0, rights.Everywhere)
	})
	return c
}
