package networks

import (
	"fmt"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/runspec"
	"cove/network/publish"
)

func TestPublished(t *testing.T) {
	t.Parallel()
	img := ocispec.ImageConfig{ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}}
	for _, tc := range []struct {
		o    runspec.Options
		want string
	}{
		{runspec.Options{}, ""},
		{runspec.Options{Expose: []string{"90/tcp"}}, ""},
		{runspec.Options{PublishAll: true}, "53/udp 80/tcp"},
		{runspec.Options{PublishAll: true, Expose: []string{"90/tcp", "80/tcp"}}, "53/udp 80/tcp 90/tcp"},
		{
			runspec.Options{PublishAll: true, Ports: []publish.Port{{HostPort: 8080, ContainerPort: 80}}},
			"8080:80/ 53/udp",
		},
		{runspec.Options{PublishAll: true, Network: "none"}, ""},
		{runspec.Options{PublishAll: true, Network: "host"}, ""},
		{runspec.Options{PublishAll: true, Network: "container:x"}, ""},
	} {
		ports, err := Published(img, tc.o)
		var got []string
		for _, p := range ports {
			text := fmt.Sprintf("%d/%s", p.ContainerPort, p.Proto)
			if p.HostPort != 0 {
				text = fmt.Sprintf("%d:%s", p.HostPort, text)
			}
			got = append(got, text)
		}
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%+v: %q, %v", tc.o, got, err)
		}
	}
	img.ExposedPorts = map[string]struct{}{"80/dccp": {}}
	if _, err := Published(img, runspec.Options{PublishAll: true}); err == nil {
		t.Error("a protocol that cannot be published is accepted")
	}
}
