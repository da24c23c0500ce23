package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors is the table of ARCHITECTURE.md: the longest matching prefix gives a
// package's room and the room's floor.
var floors = []struct {
	room  string
	floor int
}{
	{"content", 0},
	{"reference", 0},
	{"errdefs", 0},
	{"events", 1},
	{"layers", 1},
	{"distribution", 2},
	{"inventory", 2},
	{"sandbox", 2},
	{"network", 2},
	{"volume", 2},
	{"runner", 3},
	{"images", 3},
	{"builder", 3},
	{"registry", 4},
	{"engine", 4},
	{"engine/api", 4},
	{"internal/cli", 5},
	{"cmd", 6},
	{"internal/archtest", 7},
	{"internal/buildinfo", 0},
	{"internal/accounts", 0},
	{"internal/atomicfile", 0},
	{"internal/filelock", 0},
	{"internal/disktest", 0},
	{"internal/gittest", 0},
	{"internal/ids", 0},
	{"internal/inroot", 0},
	{"internal/leanjson", 0},
	{"internal/limit", 0},
	{"internal/nearest", 0},
	{"internal/numset", 0},
	{"internal/platforms", 0},
	{"internal/plural", 0},
	{"internal/process", 0},
	{"internal/resident", 0},
	{"internal/dirwatch", 0},
	{"internal/timeline", 0},
	{"internal/userdir", 0},
	{"internal/bakefile", 1},
	{"internal/strictyaml", 1},
	{"e2e", 7},
	{"bench", 7},
	{"packaging", 7},
}

// neighbours are the rooms on one floor that may know each other.
var neighbours = map[string][]string{
	"internal/accounts":  {"internal/inroot"},
	"content":            {"errdefs", "internal/atomicfile", "internal/filelock", "internal/ids", "internal/limit"},
	"reference":          {"errdefs"},
	"internal/platforms": {"errdefs"},
	"engine/api":         {"engine"},
}

// only says which rooms alone may import a package (by prefix).
var only = map[string][]string{
	"github.com/google/go-containerregistry/pkg/v1/remote": {"cove/distribution/client"},
	"github.com/moby/buildkit":                             {"cove/builder/dockerfile", "cove/engine/api/buildkit", "cove/engine/api/build"},
	"google.golang.org/grpc":                               {"cove/engine/api/buildkit"},
	"github.com/tonistiigi/fsutil":                         {"cove/engine/api/buildkit"},
	"github.com/hashicorp/hcl":                             {"cove/internal/bakefile"},
	"github.com/compose-spec":                              {"cove/internal/bakefile"},
	"github.com/spf13/cobra":                               {"cove/internal/cli", "cove/cmd", "cove/packaging"},
	"github.com/prometheus":                                {"cove/registry"},
	"github.com/containerd/stargz-snapshotter":             {"cove/builder/estargz"},
	"go.opentelemetry.io":                                  {"cove/registry/span/otlp"},
	"modernc.org/sqlite":                                   {"cove/registry/db"},
	"github.com/jackc/pgx":                                 {"cove/registry/db"},
	"github.com/aws":                                       {"cove/content/s3store/objects", "cove/content/s3store/s3test"},
	"github.com/vishvananda/netlink":                       {"cove/network"},
	"github.com/google/nftables":                           {"cove/network/firewall"},
	"github.com/notaryproject":                             {"cove/distribution/signature/notation", "cove/distribution/signature/signaturetest"},
	"log/slog":                                             {"cove/images", "cove/builder", "cove/registry", "cove/engine", "cove/internal/cli", "cove/cmd"},
}

// forbidden says what a binary may not link, directly or not.
var forbidden = map[string][]string{
	"cove/cmd/cove-runtime": append([]string{"net/http", "github.com/google/go-containerregistry", "regexp", "log/slog", "text/template"}, notToRun...),
	"cove/cmd/cove":         notToStart,
	"cove/cmd/run":          notToStart,
	"cove/cmd/build":        notToBuild,
}

// notLocal is what only a registry needs.
var notLocal = []string{"modernc.org/sqlite", "github.com/aws", "github.com/jackc/pgx", "github.com/prometheus"}

// notToBuild is what only a registry needs, and what reads bake files: a third of what a
// build's process does before main.
var notToBuild = append([]string{"github.com/compose-spec", "github.com/hashicorp/hcl"}, notLocal...)

// notToRun is what no start of a container pays for: that, the builder, what packs and
// unpacks layers, what reaches registries, and what reads YAML. Their tables are made
// before main.
var notToRun = append([]string{
	"github.com/moby/buildkit", "google.golang.org/protobuf", "cove/builder/dockerfile", "cove/builder/estargz",
	"cove/internal/bakefile", "github.com/klauspost/compress", "github.com/ulikunitz/xz", "net/http", "crypto/tls",
	"github.com/google/go-containerregistry", "github.com/notaryproject", "go.yaml.in/yaml", "debug/elf",
}, notLocal...)

// notToStart is what only the monitor of a container, which stays, has a use for besides.
var notToStart = append([]string{"cove/network/resolve", "golang.org/x/net/dns/dnsmessage"}, notToRun...)

type pkg struct {
	ImportPath   string
	Doc          string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Imports,GoFiles,TestGoFiles,XTestGoFiles"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// room returns the room of a package of this module and its floor.
func room(path string) (name string, floor int, ok bool) {
	rel := strings.TrimPrefix(path, "cove/")
	for _, f := range floors {
		if within(rel, f.room) && len(f.room) > len(name) {
			name, floor, ok = f.room, f.floor, true
		}
	}
	return name, floor, ok
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t, "./...") {
		from, floor, ok := room(p.ImportPath)
		if !ok {
			t.Errorf("%s is in no room: add it to the floor table here and in ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !within(imp, "cove") {
				continue
			}
			to, below, ok := room(imp)
			switch {
			case !ok, from == to, below < floor:
			case below > floor:
				t.Errorf("%s (floor %d) imports %s (floor %d): imports point down", p.ImportPath, floor, imp, below)
			case !slices.Contains(neighbours[from], to):
				t.Errorf("%s imports %s: these rooms on floor %d do not know each other", p.ImportPath, imp, floor)
			}
		}
	}
}

func TestBothEndsOfTheProtocolAreStrangers(t *testing.T) {
	for _, p := range list(t, "./distribution/...") {
		for _, imp := range p.Imports {
			if within(p.ImportPath, "cove/distribution/server") && within(imp, "cove/distribution/client") ||
				within(p.ImportPath, "cove/distribution/client") && within(imp, "cove/distribution/server") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}

// engineEdges are the packages that show an engine to people, and engineWords what
// they need for it: what an edge of another kind, as an HTTP API, would need too.
var (
	engineEdges = []string{
		"cove/internal/cli/containercmd", "cove/internal/cli/runflags", "cove/internal/cli/systemcmd",
		"cove/internal/cli/networkcmd", "cove/internal/cli/volumecmd", "cove/internal/cli/verbs", "cove/internal/cli/whycmd",
		"cove/internal/cli/imagecmd", "cove/internal/cli/copycmd", "cove/internal/cli/cachecmd", "cove/internal/cli/historycmd", "cove/internal/cli/buildcmd", "cove/internal/cli/buildflags",
		"cove/internal/cli/progress", "cove/internal/cli/progress/steps",
		"cove/internal/cli/apicmd", "cove/engine/api/...",
	}
	engineWords = []string{
		"cove/engine", "cove/errdefs", "cove/internal/cli", "cove/internal/bakefile", "cove/internal/buildinfo", "cove/distribution/progress",
	}
)

func TestEdgesOfTheEngineKnowNothingBelowIt(t *testing.T) {
	for _, p := range list(t, engineEdges...) {
		for _, imp := range p.Imports {
			known := slices.ContainsFunc(engineWords, func(w string) bool { return within(imp, w) })
			if within(imp, "cove") && !known {
				t.Errorf("%s imports %s: what is done with it belongs in the engine", p.ImportPath, imp)
			}
		}
	}
}

func TestOnlyTheirRoomsImport(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imp := range p.Imports {
			for dep, rooms := range only {
				if within(imp, dep) && !slices.ContainsFunc(rooms, func(r string) bool { return within(p.ImportPath, r) }) {
					t.Errorf("%s imports %s, which belongs to %v", p.ImportPath, imp, rooms)
				}
			}
		}
	}
}

func TestBinariesLinkOnlyWhatTheyNeed(t *testing.T) {
	for bin, banned := range forbidden {
		for _, p := range list(t, "-deps", "./"+strings.TrimPrefix(bin, "cove/")) {
			for _, b := range banned {
				if within(p.ImportPath, b) {
					t.Errorf("%s links %s (see: go list -deps ./%s)", bin, p.ImportPath, strings.TrimPrefix(bin, "cove/"))
				}
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range list(t, "./...") {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
