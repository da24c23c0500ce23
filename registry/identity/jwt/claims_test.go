package jwt_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/identity/jwt"
	"cove/registry/identity/jwttest"
	"cove/registry/outbound"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob, value string
		want        bool
	}{
		{"team", "team", true},
		{"team", "team\n", false},
		{"team", "Team", false},
		{"team", "team-evil", false},
		{"repo:team/*", "repo:team/app", true},
		{"repo:team/*", "repo:team-evil/x", false},
		{"repo:team/*", "repo:team/app:ref:refs/heads/main", false},
		{"repo:team/**", "repo:team/app:ref:refs/heads/main", true},
		{"repo:team/**", "repo:team-evil/x", false},
		{"repo:team/*:ref:refs/heads/main", "repo:team/app:ref:refs/heads/main", true},
		{"repo:team/*:ref:refs/heads/main", "repo:team/app:environment:x:ref:refs/heads/main", false},
		{"refs/heads/release/*", "refs/heads/release/1.2", true},
		{"refs/heads/release/*", "refs/heads/release/a/b", false},
		{"refs/tags/v*", "refs/tags/v1", true},
		{"refs/tags/v*", "refs/heads/refs/tags/v1", false},
		{"**", "", true},
		{"*", "", true},
		{"*", "a:b", false},
		{"**/main", "a/b/main", true},
		{"a.c", "abc", false},
		{"a(b|c)", "ab", false},
		{"[a]", "a", false},
		{"a***b", "a/x:b", true},
		{"x?", "xy", false},
	} {
		if got := jwt.Match(c.glob, c.value); got != c.want {
			t.Errorf("Match(%q, %q) = %t", c.glob, c.value, got)
		}
	}
}

// claims are as a token has them.
func claims(t *testing.T, of map[string]any) (c jwt.Claims) {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConditions(t *testing.T) {
	t.Parallel()
	github := claims(t, jwttest.GitHub("x", nil))
	gitlab := claims(t, jwttest.GitLab("x", nil))
	kubernetes := claims(t, jwttest.Kubernetes("x", nil))
	for _, c := range []struct {
		name  string
		of    jwt.Claims
		asked jwt.Conditions
		want  bool
	}{
		{"owner and branch", github, jwt.Conditions{"repository_owner": {"octo"}, "ref": {"refs/heads/main"}}, true},
		{"one of two branches", github, jwt.Conditions{"ref": {"refs/heads/release", "refs/heads/main"}}, true},
		{"owner and other branch", github, jwt.Conditions{"repository_owner": {"octo"}, "ref": {"refs/heads/release"}}, false},
		{"absent claim", github, jwt.Conditions{"environment": {"**"}}, false},
		{"empty claim", github, jwt.Conditions{"head_ref": {"x"}}, false},
		{"nothing", github, nil, false},
		{"no globs", github, jwt.Conditions{"ref": {}}, false},
		{"number", gitlab, jwt.Conditions{"runner_id": {"1"}}, true},
		{"one of a list", gitlab, jwt.Conditions{"groups_direct": {"group/ops"}}, true},
		{"none of a list", gitlab, jwt.Conditions{"groups_direct": {"group/o"}}, false},
		{"inner claim", kubernetes, jwt.Conditions{"kubernetes.io/serviceaccount/name": {"builder"}, "kubernetes.io/namespace": {"team"}}, true},
		{"other inner claim", kubernetes, jwt.Conditions{"kubernetes.io/namespace": {"default"}}, false},
		{"an object", kubernetes, jwt.Conditions{"kubernetes.io": {"**"}}, false},
		{"beyond a text", kubernetes, jwt.Conditions{"sub/x": {"**"}}, false},
		{"service account", kubernetes, jwt.Conditions{"sub": {"system:serviceaccount:team:*"}}, true},
		{"a name with slashes", claims(t, map[string]any{"https://x/groups": true}), jwt.Conditions{"https://x/groups": {"true"}}, true},
	} {
		if err := c.of.Meets(c.asked); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestConditionsAreRefused: what would let strangers in is no rule.
func TestConditionsAreRefused(t *testing.T) {
	t.Parallel()
	const github, gitlab = "https://token.actions.githubusercontent.com", "https://gitlab.com"
	many := jwt.Conditions{}
	for _, c := range strings.Split("abcdefghijklmnopq", "") {
		many[c] = []string{"x"}
	}
	for _, c := range []struct {
		issuer string
		asked  jwt.Conditions
		ok     bool
	}{
		{"https://k8s.test", nil, false},
		{"https://k8s.test", jwt.Conditions{"sub": nil}, false},
		{"https://k8s.test", jwt.Conditions{"sub": {""}}, false},
		{"https://k8s.test", jwt.Conditions{"": {"x"}}, false},
		{"https://k8s.test", jwt.Conditions{"a b": {"x"}}, false},
		{"https://k8s.test", jwt.Conditions{"aud": {"x"}}, false},
		{"https://k8s.test", jwt.Conditions{"sub": {strings.Repeat("x", 256)}}, false},
		{"https://k8s.test", jwt.Conditions{"sub": {"a\nb"}}, false},
		{"https://k8s.test", many, false},
		{"https://k8s.test", jwt.Conditions{"sub": {"system:serviceaccount:*:builder"}}, true},

		{github, jwt.Conditions{"repository_owner": {"octo"}}, true},
		{github, jwt.Conditions{"repository_owner": {"octo", "mona"}}, true},
		{github, jwt.Conditions{"repository_owner": {"octo", "*"}}, false},
		{github, jwt.Conditions{"repository_owner": {"octo*"}}, false},
		{github, jwt.Conditions{"repository": {"octo/*"}}, true},
		{github, jwt.Conditions{"repository": {"*/app"}}, false},
		{github, jwt.Conditions{"repository": {"octo*/app"}}, false},
		{github, jwt.Conditions{"repository": {"**"}}, false},
		{github, jwt.Conditions{"sub": {"repo:octo/*:ref:refs/heads/main"}}, true},
		{github, jwt.Conditions{"sub": {"repo:*/app:ref:refs/heads/main"}}, false},
		{github, jwt.Conditions{"sub": {"**"}}, false},
		{github, jwt.Conditions{"sub": {"*:octo/app:**"}}, false},
		{github, jwt.Conditions{"ref": {"refs/heads/main"}, "workflow": {"build"}}, false},
		{github, jwt.Conditions{"job_workflow_ref": {"octo/shared/.github/workflows/build.yml@refs/heads/main"}}, false}, // anybody may call it
		{github, jwt.Conditions{"actor": {"mona"}}, false},
		{github + "/", jwt.Conditions{"actor": {"mona"}}, false},
		{"https://TOKEN.actions.githubusercontent.com", jwt.Conditions{"ref": {"x"}}, false},
		{gitlab, jwt.Conditions{"namespace_path": {"group"}}, true},
		{gitlab, jwt.Conditions{"namespace_path": {"group/**"}}, true},
		{gitlab, jwt.Conditions{"project_path": {"group/*"}}, true},
		{gitlab, jwt.Conditions{"project_path": {"gr*/app"}}, false},
		{gitlab, jwt.Conditions{"sub": {"project_path:group/app:**"}}, true},
		{gitlab, jwt.Conditions{"ref": {"main"}, "ref_protected": {"true"}}, false},
		{"https://gitlab.example.com", jwt.Conditions{"ref": {"main"}}, true},
		{"https://agent.buildkite.com", jwt.Conditions{"pipeline_slug": {"x"}}, false},
	} {
		err := errors.Join(c.asked.Check(), c.asked.Narrow(c.issuer))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s with %v: %v", c.issuer, c.asked, err)
		}
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	const public = "https://token.actions.githubusercontent.com"
	for _, c := range []struct {
		source jwt.Source
		ok     bool
	}{
		{jwt.Source{Issuer: public}, true},
		{jwt.Source{Issuer: "http://token.example.com"}, false},
		{jwt.Source{Issuer: ""}, false},
		{jwt.Source{Issuer: "https://"}, false},
		{jwt.Source{Issuer: public + "?x=1"}, false},
		{jwt.Source{Issuer: "https://user:secret@example.com"}, false},
		{jwt.Source{Issuer: "https://169.254.169.254"}, false},
		{jwt.Source{Issuer: "https://127.0.0.1:6443"}, false},
		{jwt.Source{Issuer: "https://kubernetes.default.svc", Set: issuer.Set()}, true},
		{jwt.Source{Issuer: "https://127.0.0.1:6443", Set: issuer.Set()}, true}, // nobody is asked
		{jwt.Source{Issuer: public, Set: "{}"}, false},
		{jwt.Source{Issuer: public, Set: "no JSON"}, false},
		{jwt.Source{Issuer: public, Set: `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`}, false},
		{jwt.Source{Issuer: public, CA: issuer.CA}, true},
		{jwt.Source{Issuer: public, CA: "no PEM"}, false},
	} {
		if err := c.source.Check(outbound.Policy{}); (err == nil) != c.ok {
			t.Errorf("%.60v: %v", c.source, err)
		}
	}
}

func TestIssuerOf(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	if got := jwt.IssuerOf(issuer.Sign(t, jwttest.GitHub("x", nil))); got != issuer.URL {
		t.Errorf("%q", got)
	}
	for _, text := range []string{"", "secret", "a.b.c", "eyJ.eyJ.x", "eyJ.!.x", "eyJ.W10.x", strings.Repeat("eyJ.x.", 1<<12)} {
		if got := jwt.IssuerOf(text); got != "" || !jwt.Looks("eyJ..") {
			t.Errorf("IssuerOf(%.20q) = %q", text, got)
		}
	}
}
