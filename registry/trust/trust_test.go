package trust_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/identity/jwt"
	"cove/registry/identity/jwttest"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/outbound"
	"cove/registry/projects"
	"cove/registry/robots"
	"cove/registry/trust"
)

const audience = "https://registry.test"

// bench is the rules of a database, with an issuer that is asked for its keys.
type bench struct {
	*testing.T
	*trust.Rules
	db      *metadata.DB
	issuer  *jwttest.Issuer
	now     time.Time
	context context.Context
}

func newBench(t *testing.T, db *metadata.DB) *bench {
	t.Helper()
	b := &bench{T: t, db: db, issuer: jwttest.Start(t), now: time.Now(), context: t.Context()}
	judge := auth.Judge{}
	b.Rules = trust.New(trust.Config{
		DB: db, Robots: robots.New(db, passhash.NewHasher(1), judge), Judge: judge, Now: func() time.Time { return b.now },
		Outbound: outbound.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err := projects.New(db, judge).Create(b.context, auth.Operator(), "team", false); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRules runs each test below over a database of its own, in each engine.
func TestRules(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		for name, test := range map[string]func(*bench){
			"tokens are taken": testAccept, "several rules take one": testSeveral, "rules that take none": testNone,
			"changes hold": testChanges, "what cannot be": testRefused, "lists": testList,
			"reasons": testReasons, "who may": testWhoMay, "an issuer that is away": testAway,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newBench(t, open(t, time.Now)))
			})
		}
	})
}

// spec is a rule of the project team; more says what is different about it.
func (b *bench) spec(name string, more ...func(*trust.Spec)) trust.Spec {
	s := trust.Spec{
		Spec: robots.Spec{Project: "team", Name: name, Rights: []string{"push"}},
		Condition: trust.Condition{
			Issuer: b.issuer.URL, CA: b.issuer.CA, Audience: audience,
			Claims: jwt.Conditions{"repository": {"octo/*"}, "ref": {"refs/heads/main", "refs/tags/**"}},
		},
	}
	for _, m := range more {
		m(&s)
	}
	return s
}

func (b *bench) make(s trust.Spec) trust.Rule {
	b.Helper()
	r, err := b.Create(b.context, auth.Operator(), s)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// token is one of a job of GitHub's, with other claims in place of some.
func (b *bench) token(others map[string]any) string {
	b.Helper()
	return b.issuer.Sign(b, jwttest.GitHub(audience, others))
}

// taken are the names of the accounts that a token signs in as.
func (b *bench) taken(token string) (names []string) {
	b.Helper()
	accepted, err := b.Accept(b.context, token)
	if err != nil && !errors.Is(err, errdefs.ErrUnauthenticated) {
		b.Fatal(err)
	}
	for _, a := range accepted {
		names = append(names, a.Account.Name)
	}
	slices.Sort(names)
	return names
}

func (b *bench) want(token string, names ...string) {
	b.Helper()
	if got := b.taken(token); !slices.Equal(got, names) {
		b.Errorf("the token is taken by %q, want %q", got, names)
	}
}

func testAccept(b *bench) {
	b.make(b.spec("ci"))
	accepted, err := b.Accept(b.context, b.token(nil))
	if err != nil || len(accepted) != 1 {
		b.Fatalf("%v, %v", accepted, err)
	}
	got := accepted[0]
	if got.Account.Name != "trust$team+ci" || got.Subject != "repo:octo/app:ref:refs/heads/main" || !got.Until.After(b.now) {
		b.Errorf("accepted as %+v", got)
	}
	for name, others := range map[string]map[string]any{
		"another repository": {"repository": "evil/app"}, "another branch": {"ref": "refs/heads/feature"},
		"another audience": {"aud": "https://elsewhere.test"}, "a claim that is missing": {"ref": nil},
		"an end that was": {"exp": b.now.Add(-time.Hour).Unix()}, "a beginning to come": {"nbf": b.now.Add(time.Hour).Unix()},
	} {
		if names := b.taken(b.token(others)); len(names) > 0 {
			b.Errorf("%s is taken by %q", name, names)
		}
	}
	b.want(b.token(map[string]any{"ref": "refs/tags/v1/rc"}), "trust$team+ci")
	other := jwttest.Start(b)
	b.want(other.Sign(b, jwttest.GitHub(audience, nil)))
	forged := jwttest.Sign(b, jose.ES256, jwttest.EC(b), b.issuer.Full(jwttest.GitHub(audience, nil)))
	b.want(forged)
	for _, text := range []string{"", "secret", "a.b.c", b.token(nil) + "x"} {
		b.want(text)
	}
}

func testSeveral(b *bench) {
	b.make(b.spec("ci"))
	b.make(b.spec("narrow", func(s *trust.Spec) {
		s.Claims = jwt.Conditions{"repository": {"octo/app"}}
		s.Repositories = []string{"app"}
	}))
	b.make(b.spec("all", func(s *trust.Spec) { s.Project = "" }))
	b.make(b.spec("other", func(s *trust.Spec) { s.Claims = jwt.Conditions{"repository": {"acme/*"}} }))
	b.want(b.token(nil), "trust$all", "trust$team+ci", "trust$team+narrow")
	if n := b.issuer.Asked.Load(); n != 1 {
		b.Errorf("the issuer was asked %d times for keys that all rules share", n)
	}
}

func testNone(b *bench) {
	b.want(b.token(nil))
	if n := b.issuer.Asked.Load(); n != 0 {
		b.Errorf("an issuer that no rule names was asked %d times", n)
	}
	b.make(b.spec("ci", func(s *trust.Spec) { s.ExpiresAt = b.now.Add(time.Hour) }))
	token := b.token(map[string]any{"exp": b.now.Add(9 * time.Hour).Unix()})
	b.want(token, "trust$team+ci")
	b.now = b.now.Add(2 * time.Hour)
	b.want(token)
	b.make(b.spec("next"))
	_, err := b.Accept(b.context, b.token(map[string]any{"ref": "refs/heads/x", "exp": b.now.Add(time.Hour).Unix()}))
	if err == nil || strings.Contains(err.Error(), "octo") {
		b.Errorf("a stranger hears %v", err)
	}
}

// testChanges: what was remembered of a rule ends within a second.
func testChanges(b *bench) {
	made := b.make(b.spec("ci"))
	token := b.token(nil)
	b.want(token, made.Name)
	later := func() { b.now = b.now.Add(time.Second) }
	op := auth.Operator()
	for _, disabled := range []bool{true, false} {
		if err := b.Disable(b.context, op, made.Name, disabled); err != nil {
			b.Fatal(err)
		}
		later()
		if got := len(b.taken(token)) == 0; got != disabled {
			b.Errorf("disabled is %v, and a token is refused: %v", disabled, got)
		}
	}
	to := b.spec("ci", func(s *trust.Spec) { s.Claims = jwt.Conditions{"repository": {"acme/*"}} })
	stop := errors.New("somebody was faster")
	if _, err := b.Set(b.context, op, to, false, func(trust.Rule) error { return stop }); !errors.Is(err, stop) {
		b.Errorf("a rule that was changed meanwhile: %v", err)
	}
	if later(); len(b.taken(token)) != 1 {
		b.Error("what was not changed holds no more")
	}
	set, err := b.Set(b.context, op, to, false, nil)
	if err != nil || set.Claims["repository"][0] != "acme/*" {
		b.Fatalf("%+v, %v", set, err)
	}
	if found, err := b.Find(b.context, op, made.Name); err != nil || found.Claims["repository"][0] != "acme/*" || len(found.Claims) != 1 {
		b.Errorf("%+v, %v", found, err)
	}
	later()
	b.want(token)
	if err := b.Remove(b.context, op, made.Name); err != nil {
		b.Fatal(err)
	}
	for what, err := range map[string]error{
		"remove": b.Remove(b.context, op, made.Name), "disable": b.Disable(b.context, op, made.Name, true),
		"set": func() error { _, err := b.Set(b.context, op, to, false, nil); return err }(),
	} {
		if !errors.Is(err, errdefs.ErrNotFound) {
			b.Errorf("%s of what is gone: %v", what, err)
		}
	}
}

func testRefused(b *bench) {
	for want, more := range map[string]func(*trust.Spec){
		"a name is up to":    func(s *trust.Spec) { s.Name = "C I" },
		"give the audience":  func(s *trust.Spec) { s.Audience = "" },
		"at least one claim": func(s *trust.Spec) { s.Claims = nil },
		"https":              func(s *trust.Spec) { s.Issuer = "http://issuer.test" },
		"say what it may":    func(s *trust.Spec) { s.Rights = nil },
		"signs tokens for everybody": func(s *trust.Spec) {
			s.Issuer, s.Claims = "https://token.actions.githubusercontent.com", jwt.Conditions{"ref": {"**"}}
		},
		"does not exist": func(s *trust.Spec) { s.Project = "absent" },
	} {
		if _, err := b.Create(b.context, auth.Operator(), b.spec("ci", more)); err == nil || !strings.Contains(err.Error(), want) {
			b.Errorf("%v, want %q", err, want)
		}
	}
	b.make(b.spec("ci"))
	if _, err := b.Create(b.context, auth.Operator(), b.spec("ci")); !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrExists) {
		b.Errorf("a second one: %v", err)
	}
}

func testList(b *bench) {
	for i := range 5 {
		b.make(b.spec(fmt.Sprintf("r%d", i)))
	}
	b.make(b.spec("registry", func(s *trust.Spec) { s.Project = "" }))
	var names []string
	for q, more := (robots.Query{Project: "team", N: 2}), true; more; {
		var page []trust.Rule
		var err error
		if page, more, err = b.List(b.context, auth.Operator(), q); err != nil || len(page) > 2 {
			b.Fatalf("%d, %v", len(page), err)
		}
		for _, r := range page {
			names = append(names, r.Short())
			if r.Issuer != b.issuer.URL || len(r.Claims) != 2 || r.Project != "team" {
				b.Errorf("listed as %+v", r)
			}
			q.Last = r.Name
		}
	}
	if want := []string{"r0", "r1", "r2", "r3", "r4"}; !slices.Equal(names, want) {
		b.Errorf("listed are %q", names)
	}
	if all, _, err := b.List(b.context, auth.Operator(), robots.Query{N: 9}); err != nil || len(all) != 1 || all[0].Name != "trust$registry" {
		b.Errorf("the registry's: %v, %v", all, err)
	}
}

// testReasons: an administrator is told what a rule finds wrong with a token.
func testReasons(b *bench) {
	b.make(b.spec("ci"))
	off := b.make(b.spec("off"))
	if err := b.Disable(b.context, auth.Operator(), off.Name, true); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ token, reason string }{
		{b.token(nil), ""},
		{b.token(map[string]any{"ref": "refs/heads/x"}), "does not match refs/heads/main"},
		{b.token(map[string]any{"aud": "x"}), "audience"},
		{jwttest.Start(b).Sign(b, jwttest.GitHub(audience, nil)), "of the issuer"},
		{"hello", "is no token"},
	} {
		found, err := b.Check(b.context, auth.Operator(), "team", c.token)
		if err != nil || len(found) != 2 {
			b.Fatalf("%v, %v", found, err)
		}
		if f := found[0]; f.Taken != (c.reason == "") || !strings.Contains(f.Reason, c.reason) {
			b.Errorf("found %v %q, want %q", f.Taken, f.Reason, c.reason)
		}
		if f := found[1]; f.Taken || f.Reason != "the rule is disabled" {
			b.Errorf("of a disabled one: %v %q", f.Taken, f.Reason)
		}
	}
}

func testWhoMay(b *bench) {
	made := b.make(b.spec("ci"))
	nobody := auth.Caller{Name: "nobody"}
	_, _, listed := b.List(b.context, nobody, robots.Query{Project: "team", N: 1})
	_, found := b.Find(b.context, nobody, made.Name)
	_, created := b.Create(b.context, nobody, b.spec("mine"))
	_, set := b.Set(b.context, nobody, b.spec("ci"), false, nil)
	_, checked := b.Check(b.context, nobody, "team", b.token(nil))
	for what, err := range map[string]error{
		"list": listed, "find": found, "create": created, "set": set, "check": checked,
		"disable": b.Disable(b.context, nobody, made.Name, true), "remove": b.Remove(b.context, nobody, made.Name),
	} {
		if err == nil || errors.Is(err, errdefs.ErrInvalid) {
			b.Errorf("%s by who has no right: %v", what, err)
		}
	}
	b.want(b.token(nil), made.Name)
}

// testAway: an issuer that cannot be asked is no token that is wrong.
func testAway(b *bench) {
	b.make(b.spec("ci", func(s *trust.Spec) { s.Issuer = "https://127.0.0.1:1" }))
	claims := b.issuer.Full(jwttest.GitHub(audience, nil))
	claims["iss"] = "https://127.0.0.1:1"
	if _, err := b.Accept(b.context, jwttest.Sign(b, jose.RS256, jwttest.RSA(b), claims)); err == nil || errors.Is(err, errdefs.ErrUnauthenticated) {
		b.Errorf("an issuer that is away: %v", err)
	}
}
