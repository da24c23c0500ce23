package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"cove/builder/dockerfile/values"
	"cove/builder/plan"
	"cove/errdefs"
)

// TestFrontends: whatever mirror docker's frontend is named by, it is built in.
func TestFrontends(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, ref := range []string{
		"docker/dockerfile", "docker/dockerfile:1", "docker.io/docker/dockerfile:1.9", "docker/dockerfile:1.7-labs", "docker/dockerfile:labs",
		"mirror.example/docker/dockerfile:1.9", "mirror.example:5000/proxy/docker/dockerfile:1" + digest,
		"localhost/docker/dockerfile" + digest, "mirror.example/hub/docker/dockerfile-upstream:master-labs",
	} {
		if _, err := Plan(t.Context(), []byte("# syntax="+ref+"\nFROM base\n"), testOptions()); err != nil {
			t.Errorf("# syntax=%s: %v", ref, err)
		}
		opt := testOptions()
		opt.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": ref}
		if _, err := Plan(t.Context(), []byte("# syntax=example.com/other\nFROM base\n"), opt); err != nil {
			t.Errorf("BUILDKIT_SYNTAX=%s: %v", ref, err)
		}
	}
	opt := testOptions()
	opt.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "example.com/other:1"}
	_, err := Plan(t.Context(), []byte("# syntax=docker/dockerfile:1\nFROM base\n"), opt)
	want := "Dockerfile: build argument BUILDKIT_SYNTAX: the frontend example.com/other:1 is not supported"
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s…", err, want)
	}
}

// TestOptions: what comes with the request is checked as the Dockerfile is.
func TestOptions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"network":     {func(o *Options) { o.Network = "mars" }, `network "mars" of a build is none of default, none, host`},
		"entitlement": {func(o *Options) { o.Allow = []string{"network.host", "everything"} }, "none of network.host, security.insecure"},
		"filter":      {func(o *Options) { o.NoCacheFilter = []string{"one", "tow"} }, `no stage is called "tow", whose steps are to be executed; there are: one, 1`},
		"target":      {func(o *Options) { o.Target = "tow" }, `target stage "tow" could not be found; there are: one, 1`},
		"check":       {func(o *Options) { o.BuildArgs = map[string]string{"BUILDKIT_DOCKERFILE_CHECK": "what"} }, "invalid check option"},
	} {
		opt := testOptions()
		tc.change(&opt)
		_, err := Plan(t.Context(), []byte("FROM base AS one\nFROM base\n"), opt)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want …%s", name, err, tc.want)
		}
	}
	opt := testOptions()
	opt.NoCacheFilter, opt.Network, opt.Allow = []string{"One"}, "default", []string{"security.insecure"}
	if _, err := Plan(t.Context(), []byte("FROM base AS one\n"), opt); err != nil {
		t.Error(err)
	}
}

func TestUsersThatMayExist(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"", "root", "0", "1000:1000", "www-data:", ":users", "4294967294", "_apt", "DOMAIN\\user", "ünï", "a.b-c"} {
		if err := values.CheckOwner("", user); err != nil {
			t.Errorf("%q: %v", user, err)
		}
	}
}

// TestLintError names the rules in order, and where the first stands.
func TestLintError(t *testing.T) {
	t.Parallel()
	src := "# check=error=true\nFROM base\nMAINTAINER x\nWORKDIR rel\nMAINTAINER y\n"
	_, err := Plan(t.Context(), []byte(src), testOptions())
	var lint *plan.LintError
	want := "Dockerfile:3: MAINTAINER x: lint violation found for rules: MaintainerDeprecated, WorkdirRelativePath"
	if !errors.As(err, &lint) || len(lint.Warnings) != 3 || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	opt := testOptions()
	opt.Check = true
	if g, err := Plan(t.Context(), []byte(src), opt); err != nil || len(g.Warnings) != 3 {
		t.Errorf("a check fails by its warnings: %v", err)
	}
	for arg, fails := range map[string]bool{"": false, "skip=all": false, "error=true": true, "skip=MaintainerDeprecated,WorkdirRelativePath;error=true": false} {
		opt := testOptions()
		opt.BuildArgs = map[string]string{"BUILDKIT_DOCKERFILE_CHECK": arg}
		if _, err := Plan(t.Context(), []byte(src), opt); (err != nil) != fails {
			t.Errorf("BUILDKIT_DOCKERFILE_CHECK=%s: %v", arg, err)
		}
	}
}
