package clients

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// TestFieldsAreKnown has every field of docker's types in the table of what becomes of it,
// which a test beside the table holds cove to.
func TestFieldsAreKnown(t *testing.T) {
	list := string(must(os.ReadFile("../../engine/api/create/testdata/fields.txt"))(t))
	for prefix, of := range map[string]reflect.Type{
		"": reflect.TypeFor[container.Config](), "HostConfig.": reflect.TypeFor[container.HostConfig](),
		"NetworkingConfig.EndpointsConfig.n.": reflect.TypeFor[network.EndpointSettings](),
	} {
		for _, f := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = f.Name
			}
			if !f.Anonymous && !strings.Contains(list, "\n"+prefix+name+" ") {
				t.Errorf("%s%s is not in the table", prefix, name)
			}
		}
	}
}
