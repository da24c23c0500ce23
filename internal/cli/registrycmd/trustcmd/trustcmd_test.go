package trustcmd

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"cove/registry/api/access"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	got, err := conditions([]string{"ref=refs/heads/main", "ref=refs/tags/v*", "sub=a=b"})
	want := map[string][]string{"ref": {"refs/heads/main", "refs/tags/v*"}, "sub": {"a=b"}}
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "ref", "=x", "ref="} {
		if _, err := conditions([]string{bad}); err == nil || !strings.Contains(err.Error(), "NAME=VALUE") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// given is a rule with what a command line says of it.
func given(t *testing.T, rule access.TrustChange, args ...string) (access.TrustChange, error) {
	t.Helper()
	var flags ruleFlags
	cmd := &cobra.Command{Use: "x"}
	cmd.SetIn(strings.NewReader("from the input"))
	flags.flags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	err := flags.onto(cmd, &rule)
	return rule, err
}

// TestFlagsLeaveAlone: what is not given stays as it is.
func TestFlagsLeaveAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(time.Hour)
	before := access.TrustChange{
		Description: "builds", Rights: []string{"tag:list"}, Repositories: []string{"app"}, ExpiresAt: &ends,
		Issuer: "https://a.test", Audience: "a", Claims: map[string][]string{"sub": {"x"}}, CA: "old", KeySet: "keys",
	}
	same, err := given(t, before)
	if err != nil || same.Issuer != before.Issuer || same.Description != "builds" || same.ExpiresAt == nil || !same.ExpiresAt.Equal(ends) || same.KeySet != "keys" ||
		!slices.Equal(same.Rights, before.Rights) || !slices.Equal(same.Repositories, before.Repositories) {
		t.Errorf("nothing given: %+v, %v", same, err)
	}
	all, err := given(t, before, "--issuer", "https://b.test", "--audience", "b", "--claim", "ref=main", "--ca", file, "--keys", "-",
		"--push", "--delete", "--right", "tag:create", "--repository", "api,web", "--expires", "never", "--description", "")
	slices.Sort(all.Rights)
	if err != nil || all.Issuer != "https://b.test" || all.Audience != "b" || all.CA != "a certificate" || all.KeySet != "from the input" ||
		!slices.Equal(all.Rights, []string{"delete", "push", "tag:create"}) || !slices.Equal(all.Repositories, []string{"api", "web"}) ||
		all.ExpiresAt != nil || all.Description != "" || len(all.Claims) != 1 || all.Claims["ref"][0] != "main" {
		t.Errorf("all given: %+v, %v", all, err)
	}
	if without, err := given(t, before, "--keys", "", "--ca", ""); err != nil || without.KeySet != "" || without.CA != "" {
		t.Errorf("taken away: %+v, %v", without, err)
	}
	for name, args := range map[string][]string{
		"claims": {"--claim", "x"}, "time": {"--expires", "yesterday"}, "file": {"--ca", file + ".absent"},
	} {
		if _, err := given(t, before, args...); err == nil {
			t.Errorf("a wrong %s is taken", name)
		}
	}
	if _, err := given(t, access.TrustChange{}, "--issuer", "https://a.test"); err == nil {
		t.Error("a rule without rights is taken")
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "/trust", "ci": "/trust/ci", "trust$other+ci": "/projects/other/trust/ci"} {
		w := owned()
		if got := w.Path(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestHelp: every command says what it does, with an example.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range New().Commands() {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil || cmd.Example == "" || !strings.Contains(out.String(), "registry trust "+cmd.Name()) {
			t.Errorf("%s: %v\n%s", cmd.Name(), err, out.String())
		}
	}
}
