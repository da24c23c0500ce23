package buildkit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"cove/engine/api/buildkit"
	"cove/engine/api/route"
)

// liar sends a Dockerfile, and then whatever it likes as the context.
type liar struct {
	entries []*fstypes.Stat
	// data is sent for each file that is asked for, times over.
	data  []byte
	times int
	dies  bool
}

func (l *liar) Register(s *grpc.Server) { filesync.RegisterFileSyncServer(s, l) }

func (l *liar) TarStream(filesync.FileSync_TarStreamServer) error { return nil }

// DiffCopy implements filesync.FileSyncServer.
func (l *liar) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	dockerfile := []byte("FROM scratch\nCOPY . /\n")
	entries, data, times, dies := l.entries, l.data, max(l.times, 1), l.dies
	if md.Get("dir-name")[0] == "dockerfile" {
		entries, data, times, dies = []*fstypes.Stat{{Path: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))}}, dockerfile, 1, false
	} else if len(md.Get("followpaths")) > 0 {
		entries, dies = nil, false // the .dockerignore
	}
	for _, st := range entries {
		if err := stream.Send(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: st}); err != nil {
			return err
		}
	}
	if dies {
		return os.ErrClosed
	}
	if err := stream.Send(&fstypes.Packet{Type: fstypes.PACKET_STAT}); err != nil {
		return err
	}
	for {
		p, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case p.Type == fstypes.PACKET_FIN:
			return stream.Send(&fstypes.Packet{Type: fstypes.PACKET_FIN})
		case p.Type != fstypes.PACKET_REQ:
			continue
		}
		for range times {
			if err := stream.Send(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: p.ID, Data: data}); err != nil {
				return err
			}
		}
		if err := stream.Send(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: p.ID}); err != nil {
			return err
		}
	}
}

// TestHostileContexts: what a client sends stays where contexts are, is bounded, and
// is gone when the build ends.
func TestHostileContexts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{MaxContext: 1 << 20, MaxFiles: 100})
	outside := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 20) + outside[1:]
	link, dev := uint32(fs.ModeSymlink|0o777), uint32(fs.ModeDevice|fs.ModeCharDevice|0o666)
	many := make([]*fstypes.Stat, 200)
	for i := range many {
		many[i] = &fstypes.Stat{Path: "f" + string(rune('a'+i/26)) + string(rune('a'+i%26)), Mode: 0o644}
	}
	for name, tc := range map[string]struct {
		l    liar
		want string // "" builds
	}{
		"a path that climbs":         {liar{entries: []*fstypes.Stat{{Path: up, Mode: 0o644, Size: 3}}, data: []byte("bad")}, "receiving context"},
		"an absolute path":           {liar{entries: []*fstypes.Stat{{Path: outside, Mode: 0o644, Size: 3}}, data: []byte("bad")}, "receiving context"},
		"through a link":             {liar{entries: []*fstypes.Stat{{Path: "l", Mode: link, Linkname: filepath.Dir(outside)}, {Path: "l/victim", Mode: 0o644, Size: 3}}, data: []byte("bad")}, "receiving context"},
		"a hard link to outside":     {liar{entries: []*fstypes.Stat{{Path: "h", Mode: 0o644, Linkname: up}}}, "receiving context"},
		"out of order":               {liar{entries: []*fstypes.Stat{{Path: "b", Mode: 0o644}, {Path: "a", Mode: 0o644}}}, "receiving context"},
		"a link that leads outside":  {liar{entries: []*fstypes.Stat{{Path: "l", Mode: link, Linkname: outside}}}, ""},
		"a device":                   {liar{entries: []*fstypes.Stat{{Path: "mem", Mode: dev, Devmajor: 1, Devminor: 1}}}, ""},
		"more bytes than allowed":    {liar{entries: []*fstypes.Stat{{Path: "big", Mode: 0o644, Size: 1 << 40}}, data: make([]byte, 32<<10), times: 1 << 20}, "has more than 1048576 bytes, which is the limit"},
		"more files than allowed":    {liar{entries: many}, "has more than 100 files, which is the limit"},
		"a session that dies midway": {liar{entries: []*fstypes.Stat{{Path: "a", Mode: 0o644}}, dies: true}, "receiving context"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			_, _, err := build(t.Context(), t, f.byUpgrade(t), client.SolveOpt{
				Session: []session.Attachable{&tc.l}, Exports: []client.ExportEntry{{Type: "local", OutputDir: out}},
			})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if got, err := os.ReadFile(outside); err != nil || string(got) != "mine" {
				t.Errorf("outside: %q %v", got, err)
			}
			if _, err := os.Lstat(filepath.Join(out, "mem")); err == nil {
				t.Error("the device became part of the image")
			}
		})
	}
}

// TestBuildsThatReachFurther: a context is never a directory of the server, and whoever
// may build alone does so in containers like all others.
func TestBuildsThatReachFurther(t *testing.T) {
	t.Parallel()
	access, err := route.ParseAccess([]string{"build"})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, buildkit.Config{Access: access})
	secret := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(secret, []byte("FROM scratch\nCOPY . /\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]fsutil.FS{
		"context": folder(t, nil), "dockerfile": folder(t, map[string]string{"Dockerfile": "FROM scratch\nLABEL a=b\n"}),
	}
	for name, tc := range map[string]struct {
		attrs map[string]string
		allow []string
		want  string
	}{
		"nothing further":                    {nil, nil, ""},
		"a directory":                        {map[string]string{"context": filepath.Dir(secret)}, nil, "neither a URL nor a git repository"},
		"a relative directory":               {map[string]string{"context": "."}, nil, "neither a URL nor a git repository"},
		"a file by URL":                      {map[string]string{"context": "file://" + secret}, nil, "neither a URL nor a git repository"},
		"a named directory":                  {map[string]string{"context:x": filepath.Dir(secret)}, nil, "want a directory, an image"},
		"the network of the host":            {map[string]string{"force-network-mode": "host"}, nil, `needs the permission "all"`},
		"the network of another":             {map[string]string{"force-network-mode": "container:x"}, nil, `needs the permission "all"`},
		"a cgroup":                           {map[string]string{"cgroup-parent": "/"}, nil, `needs the permission "all"`},
		"an insecure RUN":                    {nil, []string{"security.insecure"}, `needs the permission "all"`},
		"the host's network, by entitlement": {nil, []string{"network.host"}, `needs the permission "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := build(t.Context(), t, f.byUpgrade(t), client.SolveOpt{
				LocalMounts: files, FrontendAttrs: tc.attrs, AllowedEntitlements: tc.allow,
			})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
