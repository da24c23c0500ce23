package server

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cove/content/s3store/s3test"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/robots"
	"cove/registry/web/session"
)

// TestSkewedServers has two servers of one registry on machines whose clocks are far from
// each other: whatever one of them gives out with an end is good at the other until that
// end and no longer, and what one of them keeps for a while the other does not collect.
func TestSkewedServers(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service, postgres := s3test.Start(t), metadatatest.Postgres(t)
	for _, skew := range []time.Duration{45 * time.Minute, -45 * time.Minute, 40 * 24 * time.Hour, -40 * 24 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service), dsn: postgres.New(t)}
			other := p
			other.root = metadatatest.Dir(t)
			cfg := other.config()
			cfg.Machine = func() time.Time { return time.Now().Add(skew) }
			must(t, p.start(p.config(), func(right *Server) {
				must(t, other.start(cfg, func(wrong *Server) {
					ends(t, right, wrong)
					ends(t, wrong, right)
					p.leased(right, wrong)
					p.leased(wrong, right)
				}))
			}))
		})
	}
}

// ends has a server make what ends, and another be asked.
func ends(t *testing.T, here, there *Server) {
	t.Helper()
	ctx, op := t.Context(), auth.Operator()
	ask := func(s *Server, path string, who func(*http.Request)) int {
		r := httptest.NewRequest("GET", "http://registry.test"+path, nil)
		who(r)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Code
	}
	want := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	basic := func(name, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, secret) }
	}
	token := here.tokenBy(t, "admin", testPassword, "repository:team/app:pull")
	want("a token", ask(there, "/v2/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }), 200)

	now := here.state.db.Now()
	bots, users := here.state.services.Robots, here.state.services.Accounts
	made, secret, err := bots.Create(ctx, op, robots.Spec{Name: "r" + strings.ToLower(rand.Text()[:8]), Rights: []string{"pull"}, ExpiresAt: now.Add(5 * time.Minute)})
	must(t, err)
	want("a robot that ends in five minutes", ask(there, "/api/v1/me", basic(made.Name, secret)), 200)
	for _, s := range []*Server{here, there} {
		ended := s.state.db.Now().Add(-time.Second)
		must(t, bots.Change(ctx, op, made.Name, robots.Change{ExpiresAt: &ended}))
		eventually(t, func() bool { return ask(there, "/api/v1/me", basic(made.Name, secret)) == 401 })
		want("a robot that has ended", ask(here, "/api/v1/me", basic(made.Name, secret)), 401)
	}

	u, err := here.state.db.UserByName(ctx, "admin")
	must(t, err)
	for life, code := range map[time.Duration]int{5 * time.Minute: 200, -5 * time.Minute: 401} {
		name := "t" + strings.ToLower(rand.Text()[:8])
		pat, err := users.CreateToken(ctx, op, "admin", accounts.TokenSpec{Name: name, Rights: []string{"pull"}, ExpiresAt: now.Add(10 * time.Minute)})
		must(t, err)
		must(t, here.state.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.Querier().Exec(ctx, "UPDATE access_tokens SET expires_at = $2 WHERE name = $1", name, now.Add(life).UnixMicro())
			return err
		}))
		want("an access token that ends in "+life.String(), ask(there, "/api/v1/me", basic("admin", pat)), code)
	}
	for idle, code := range map[time.Duration]int{10 * time.Minute: 200, time.Microsecond: 303} {
		cookie, err := session.New(session.Config{DB: here.state.db, Idle: idle}).Begin(ctx, u, session.Origin{})
		must(t, err)
		guard, err := session.NewGuard("")
		must(t, err)
		want("a session of "+idle.String(), ask(there, "/account", func(r *http.Request) { guard.Use(r, cookie) }), code)
	}
	_, err = users.CreateToken(ctx, op, "admin", accounts.TokenSpec{Name: "last" + strings.ToLower(rand.Text()[:8]), Rights: []string{"pull"}})
	must(t, err)
	newest, err := there.state.services.Audit.Newest(ctx, op, 1)
	must(t, err)
	if len(newest) != 1 || newest[0].Action != "token.create" || newest[0].At.Sub(now).Abs() > time.Minute {
		t.Errorf("the newest line of the log is %+v", newest)
	}
}

// leased has one server keep a blob that no manifest refers to yet, and another collect.
func (p place) leased(here, there *Server) {
	p.t.Helper()
	ctx := asAdmin(p.t.Context())
	up, err := here.registry.StartUpload(ctx, "team/app")
	must(p.t, err)
	_, err = up.Write([]byte("not whole"))
	must(p.t, errors.Join(err, up.Close()))
	img := p.push(here, 77, "v1")
	must(p.t, here.registry.DeleteTag(ctx, "team/app", "v1"))
	_, err = there.registry.Collect(ctx)
	must(p.t, err)
	for dgst := range img.Blobs {
		status, _, _ := p.ask(here, "HEAD", "/v2/team/app/blobs/"+dgst.String(), nil)
		p.want("a blob that was just pushed", status, http.StatusOK)
	}
	status, _, _ := p.ask(there, "GET", "/v2/team/app/blobs/uploads/"+up.ID(), nil)
	p.want("an upload that was just begun", status, http.StatusNoContent)
}
