package server

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/registry/identity"
	"cove/registry/identity/oidc"
	"cove/registry/identity/oidctest"
	"cove/registry/server/config"
)

// serveDex runs dex, which is a module of its own, and returns its issuer.
func serveDex(t *testing.T, redirect string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dex")
	const dir = "../../e2e/clients/dex"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), program, redirect)
	run.Dir, run.Stderr = dir, os.Stderr
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = run.Wait() // it was told to end, or the test's context has ended it
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestDex signs somebody in by dex: the name is a claim of the configuration, groups come
// with the scope that asks for them, are a gate and make administrators, and a sign-out
// here ends the session, after which dex's own lets him in again without a question.
func TestDex(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("client's secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	const who = "kilgore@kilgore.trout"
	front := httptest.NewServer(nil)
	t.Cleanup(front.Close)
	issuer := serveDex(t, front.URL+"/sign-in/oidc/callback")
	for _, tc := range []struct {
		name   string
		scopes []string
		rules  identity.Rules
		status int
		says   string
		admin  bool
	}{
		{"an administrator by his group", []string{"email", "groups"}, identity.Rules{Admins: "authors", Allowed: []string{"authors"}}, 200, who, true},
		{"a user", []string{"email", "groups"}, identity.Rules{Admins: "editors"}, 200, who, false},
		{"who is in none of the groups", []string{"email", "groups"}, identity.Rules{Allowed: []string{"editors"}}, 403, "is in none of the groups that may sign in", false},
		{"groups that nobody asked for", []string{"email"}, identity.Rules{Allowed: []string{"authors"}}, 403, "is in none of the groups that may sign in", false},
		{"a name that nobody asked for", []string{"groups"}, identity.Rules{}, 403, "gives no claim &#34;email&#34;", false},
	} {
		s := newTestServer(t, config.Config{OIDC: &oidc.Config{
			Issuer: issuer, ClientID: "cove", SecretFile: secret, Title: "Dex", NameClaim: "email", Scopes: tc.scopes, Rules: tc.rules,
		}})
		front.Config.Handler = s.handler
		inGroup := s.group(t, "authors")
		browser := oidctest.Browser(t)
		status, page := show(t, browser, front.URL+"/sign-in/oidc?next=/account")
		if status != tc.status || !strings.Contains(page, tc.says) {
			t.Errorf("%s: %d\n%.1500s", tc.name, status, page)
		}
		if tc.status != 200 {
			if _, err := s.state.db.UserByName(t.Context(), who); err == nil {
				t.Errorf("%s has an account", tc.name)
			}
			continue
		}
		if u := s.account(t, who); u.Admin != tc.admin || u.PasswordHash != "" || inGroup() != who {
			t.Errorf("%s: %+v, in the group %q", tc.name, u, inGroup())
		}
		// Another sign-in is the same account; one without cookies is nobody's.
		if status, page := show(t, oidctest.Browser(t), front.URL+"/sign-in/oidc?next=/account"); status != 200 || !strings.Contains(page, who) {
			t.Errorf("%s, again: %d", tc.name, status)
		}
		if status, page := show(t, oidctest.Browser(t), front.URL+"/account"); strings.Contains(page, who) {
			t.Errorf("%s is known without a session: %d", tc.name, status)
		}
		s.othersSignIn(t)
	}
}
