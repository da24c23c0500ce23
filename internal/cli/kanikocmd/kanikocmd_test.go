package kanikocmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// became runs kaniko with args and returns those that build was given, and what file they
// were told to write.
func became(t *testing.T, a *app.App, args ...string) ([]string, error) {
	t.Helper()
	var got []string
	build := func(*app.App) *cobra.Command {
		return &cobra.Command{DisableFlagParsing: true, RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "--metadata-file" {
				if err := os.WriteFile(args[1], []byte(`{"containerimage.digest":"sha256:aa"}`), 0o600); err != nil {
					return err
				}
				args = args[2:]
			}
			got = args
			return nil
		}}
	}
	cmd := New(a, build)
	cmd.SetArgs(args)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetOut(&bytes.Buffer{})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return got, cmd.ExecuteContext(t.Context())
}

func TestFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := "--file=" + dir + "/Dockerfile"
	for _, c := range []struct{ args, want string }{
		{
			"--context=dir://DIR --destination=r.io/app:v1 --destination r.io/app:latest",
			"--tag=r.io/app:v1 --tag=r.io/app:latest --output=type=registry --no-cache --progress=auto FILE -- DIR",
		},
		{
			"-c DIR -d r.io/team/app --cache=true --target t --build-arg A=1 --label l=1 --customPlatform linux/arm64 --log-format text",
			"--tag=r.io/team/app --build-arg=A=1 --label=l=1 --target=t --platform=linux/arm64 --output=type=registry " +
				"--cache-from=type=registry,ref=r.io/team/app/cache " +
				"--cache-to=type=registry,ref=r.io/team/app/cache,mode=max,ignore-error=true --progress=plain FILE -- DIR",
		},
		{
			"-c DIR -d app --no-push --tarPath a.tar --oci-layout-path out --cache --cache-repo oci:/c --no-push-cache -v error",
			"--tag=app --output=type=docker,dest=a.tar --output=type=oci,tar=false,dest=out --cache-from=type=local,src=/c " +
				"--progress=quiet FILE -- DIR",
		},
		{
			"-c DIR --no-push --compression zstd --compression-level 3 --reproducible --single-snapshot --snapshotMode redo --use-new-run --cleanup --push-retry 3",
			"--output=type=image --no-cache --compression=zstd --compression-level=3 --source-date-epoch=0 --squash --progress=auto FILE -- DIR",
		},
		{
			"-c git://github.com/team/app.git#refs/heads/main#abcd --context-sub-path sub -f docker/Dockerfile --no-push",
			"--output=type=image --no-cache --progress=auto --file=docker/Dockerfile -- https://github.com/team/app.git#abcd:sub",
		},
		{"-c tar://stdin --no-push", "--output=type=image --no-cache --progress=auto --file=Dockerfile -- -"},
		{
			"-c https://example.com/a.tar.gz --no-push -v debug",
			"--output=type=image --no-cache --progress=plain --file=Dockerfile -- https://example.com/a.tar.gz",
		},
	} {
		place := strings.NewReplacer("FILE", file, "DIR", dir)
		got, err := became(t, &app.App{}, strings.Fields(place.Replace(c.args))...)
		if diff := cmp.Diff(strings.Fields(place.Replace(c.want)), got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.args, err, diff)
		}
	}
}

// TestRefused: what cannot be had is refused by name, and says what to do instead.
func TestRefused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                         "--destination",
		"--no-push --tar-path a":                   "--destination",
		"--no-push --cache":                        "--cache-repo",
		"-d a --cache-copy-layers=f":               "always true",
		"-d a --skip-unused-stages=0":              "--target",
		"-d a --snapshot-mode some":                "full, redo or time",
		"-d a --log-format xml":                    "text, color or json",
		"-d a -v loud":                             "trace, debug",
		"-d a -c s3://bucket/x.tar.gz":             "s3:// is not supported",
		"-d a -c tar:///tmp/x.tar.gz":              "tar://stdin",
		"-d a -c tar://stdin --context-sub-path x": "directories and repositories",
		"-d a --cache-ttl 24h":                     "--cache-ttl is not supported",
		"-d a directory":                           "accepts no arguments",
	} {
		if _, err := became(t, &app.App{}, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	for name, instead := range refused {
		_, err := became(t, &app.App{}, "-d", "a", "--"+name+"=x")
		if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "--"+name+" is not supported: "+instead) {
			t.Errorf("--%s: %v", name, err)
		}
	}
}

func TestRegistriesAndDigests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := &app.App{}
	_, err := became(t, a, "-c", dir, "-d", "r.io:5000/app:v1", "-d", "b.io/x", "--insecure", "--skip-tls-verify-registry", "c.io", "--registry-mirror", "m.io",
		"--digest-file", dir+"/digest", "--image-name-with-digest-file", dir+"/name", "--image-name-tag-with-digest-file", dir+"/tag")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c.io", "r.io:5000", "b.io"}, a.Insecure); diff != "" || len(a.Mirrors) != 1 {
		t.Error(diff, a.Mirrors)
	}
	for file, want := range map[string]string{
		"digest": "sha256:aa", "name": "r.io:5000/app@sha256:aa\nb.io/x@sha256:aa\n",
		"tag": "r.io:5000/app:v1@sha256:aa\nb.io/x:latest@sha256:aa\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); string(got) != want || err != nil {
			t.Errorf("%s: %q %v", file, got, err)
		}
	}
}
