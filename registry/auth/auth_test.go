package auth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/registry/auth/passhash"
	"cove/registry/auth/rights"
	"cove/registry/auth/signing"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const testService = "test-registry"

// fixture is an authorizer with one user per role in every project.
type fixture struct {
	*Authorizer
	clock *clock
	db    *metadata.DB
	keys  *signing.Keys
}

// The projects that exist.
const (
	publicProject  = "open"
	privateProject = "closed"
)

func newFixture(t testing.TB, everyoneCreates bool) *fixture {
	t.Helper()
	f := &fixture{clock: &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	f.db = metadatatest.OpenSQLite(t, f.clock.Now)
	f.seed(t)
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.keys, err = signing.Open(t.Context(), dir, f.db, f.clock.Now); err != nil {
		t.Fatal(err)
	}
	f.Authorizer = New(Config{
		DB: f.db, Login: NewLogin(f.db, passhash.NewHasher(2), f.clock.Now),
		Tokens: NewTokens(testService, f.keys, f.clock.Now), Judge: Judge{EveryoneCreates: everyoneCreates},
	})
	return f
}

const testPassword = "correct horse"

func (f *fixture) seed(t testing.TB) {
	t.Helper()
	hash, err := passhash.NewHasher(1).Hash(t.Context(), testPassword)
	if err != nil {
		t.Fatal(err)
	}
	err = f.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for _, name := range principals() {
			if name == "" {
				continue
			}
			if err := tx.AddUser(ctx, name, hash, name == "admin"); err != nil {
				return err
			}
		}
		for _, project := range []string{publicProject, privateProject} {
			p, _, err := tx.CreateProject(ctx, project, "")
			if err != nil {
				return err
			}
			if err := tx.SetPublic(ctx, p.ID, project == publicProject); err != nil {
				return err
			}
			for _, n := range rights.BuiltIn()[:5] {
				u, err := tx.UserByName(ctx, n)
				if err != nil {
					return err
				}
				if err := tx.SetRole(ctx, p.ID, u.ID, n); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// principals are everyone who may ask: nobody, a stranger with an account, a
// member of each role, and a system administrator.
func principals() []string {
	names := []string{"", "stranger"}
	names = append(names, rights.BuiltIn()[:5]...)
	return append(names, "admin")
}

// request is one of who, with the right password.
func request(who, method, path string) *http.Request {
	r := httptest.NewRequest(method, "https://registry.test"+path, nil)
	if who != "" {
		r.SetBasicAuth(who, testPassword)
	}
	return r
}

// token asks the endpoint for a token.
func (f *fixture) token(t testing.TB, who string, scopes ...string) string {
	t.Helper()
	w := httptest.NewRecorder()
	q := url.Values{"service": {testService}, "scope": scopes}
	f.ServeToken(w, request(who, "GET", TokenPath+"?"+q.Encode()))
	if w.Code != http.StatusOK {
		t.Fatalf("token for %q: %d %s", who, w.Code, w.Body)
	}
	var got auth.Token
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Token == "" || got.Token != got.AccessToken || got.ExpiresIn != 300 {
		t.Fatalf("token for %q: %+v", who, got)
	}
	return got.Token
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest("GET", "https://registry.test/v2/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func pull(repo string) distribution.Access {
	return distribution.Access{Repository: repo, Actions: []distribution.Action{distribution.Pull}}
}
