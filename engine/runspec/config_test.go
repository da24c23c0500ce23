package runspec

import (
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestKeepUnknownKeepsWhatTheStructLacks(t *testing.T) {
	t.Parallel()
	raw := `{"architecture":"amd64","os":"linux","docker_version":"1","config":{"Cmd":["old"],"Shell":["/bin/bash","-c"],"Healthcheck":{"Test":["CMD","x"]}},"rootfs":{"type":"layers","diff_ids":[]}}`
	img := ocispec.Image{Config: Over(ocispec.ImageConfig{Cmd: []string{"old"}, Env: []string{"A=1"}},
		ocispec.ImageConfig{Cmd: []string{"new"}, Env: []string{"A=2", "B=3"}, Labels: map[string]string{"k": "v"}})}
	got, err := KeepUnknown([]byte(raw), img)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Cmd":["new"]`, `"Env":["A=2","B=3"]`, `"k":"v"`, `"Shell":["/bin/bash","-c"]`, `"Healthcheck":{"Test":["CMD","x"]}`, `"docker_version":"1"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}
