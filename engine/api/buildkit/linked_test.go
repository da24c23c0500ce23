package buildkit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sync/errgroup"

	"cove/engine/api/buildkit"
	"cove/engine/api/route"
)

// target is one target of bake: its files, and the target that its context "lower" is.
type target struct {
	files map[string]string
	lower string
}

// bake builds targets that are linked as buildx does: each in a Solve and a session of its
// own, at once. A result is handed on when it is solved, evaluated before those that are
// built on it, and kept until they are evaluated, but not until they are exported.
func bake(t *testing.T, c *client.Client, targets map[string]target) error {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	solved, evaluated, ended := map[string]chan *gateway.Result{}, map[string]chan struct{}{}, map[string]chan struct{}{}
	for name := range targets {
		solved[name], evaluated[name], ended[name] = make(chan *gateway.Result, len(targets)), make(chan struct{}), make(chan struct{})
	}
	for name, one := range targets {
		g.Go(func() error {
			defer close(ended[name])
			_, err := c.Build(ctx, client.SolveOpt{
				LocalMounts: mounts(folder(t, one.files)),
				Exports:     []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": "docker.io/library/" + name + ":latest"}}},
			}, "test", func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
				req := gateway.SolveRequest{Frontend: "dockerfile.v0"}
				if one.lower != "" {
					select {
					case res := <-solved[one.lower]:
						if err := on(ctx, &req, "lower", res); err != nil {
							return nil, err
						}
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
				res, err := gw.Solve(ctx, req)
				if err != nil {
					return nil, err
				}
				for range targets {
					solved[name] <- res
				}
				if one.lower != "" {
					await(ctx, evaluated[one.lower])
				}
				err = res.Ref.Evaluate(ctx)
				close(evaluated[name])
				for other, o := range targets {
					if o.lower == name && err == nil {
						await(ctx, evaluated[other])
					}
				}
				if one.lower != "" {
					await(ctx, ended[one.lower])
				}
				return res, err
			}, nil)
			return err
		})
	}
	return g.Wait()
}

func await(ctx context.Context, what <-chan struct{}) {
	select {
	case <-what:
	case <-ctx.Done():
	}
}

// on has a request build on a result, as a context of a name.
func on(ctx context.Context, req *gateway.SolveRequest, name string, res *gateway.Result) error {
	def, err := definition(ctx, res)
	if err != nil {
		return err
	}
	req.FrontendInputs = map[string]*pb.Definition{"0-" + name: def}
	if req.FrontendOpt == nil {
		req.FrontendOpt = map[string]string{}
	}
	req.FrontendOpt["context:"+name] = "input:0-" + name
	return nil
}

func definition(ctx context.Context, res *gateway.Result) (*pb.Definition, error) {
	st, err := res.Ref.ToState()
	if err != nil {
		return nil, err
	}
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	return def.ToPB(), nil
}

// TestLinkedTargets: what one target of bake makes another is built on, as compose's
// additional_contexts with "service:" ask for, also when the first has gone before the
// second is exported.
func TestLinkedTargets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	for name, c := range map[string]*client.Client{"upgraded": f.byUpgrade(t), "http2": f.byHTTP2(t)} {
		err := bake(t, c, map[string]target{
			"first-" + name: {files: map[string]string{"Dockerfile": "FROM busybox\nLABEL l=" + name + "\nCOPY a /\nRUN cat /a >/b\n", "a": "of a"}},
			"second-" + name: {lower: "first-" + name, files: map[string]string{
				"Dockerfile": "FROM lower\nCOPY c /\nRUN test \"$(cat /b)\" = 'of a'\n", "c": "of c",
			}},
			"third-" + name: {lower: "second-" + name, files: map[string]string{
				"Dockerfile": "FROM busybox\nCOPY --from=lower /a /c /\nRUN test \"$(cat /a /c)\" = 'of aof c'\n",
			}},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, image := range []string{"first-", "second-", "third-"} {
			told, err := f.engine.InspectImage(t.Context(), image+name)
			if err != nil {
				t.Fatal(err)
			}
			if want := image != "third-"; (told.Config.Labels["l"] == name) != want {
				t.Errorf("%s%s: labels %v", image, name, told.Config.Labels)
			}
		}
	}
}

// TestResultsAsInputs: a result is an input of the same job, too; what is another
// definition, or a result that is gone, is refused.
func TestResultsAsInputs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byHTTP2(t)
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM busybox\nRUN echo made >/made\n", "second": "FROM lower\nRUN test -e /made\n",
		"broken": "FROM busybox\nRUN exit 3\n",
	})
	made := func(t *testing.T, with func(context.Context, gateway.Client, *gateway.SolveRequest) error) error {
		t.Helper()
		_, err := c.Build(t.Context(), client.SolveOpt{LocalMounts: mounts(dir)}, "test",
			func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
				req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"filename": "second"}}
				if err := with(ctx, gw, &req); err != nil {
					return nil, err
				}
				return gw.Solve(ctx, req)
			}, nil)
		return err
	}
	solving := func(options map[string]string) func(context.Context, gateway.Client, *gateway.SolveRequest) error {
		return func(ctx context.Context, gw gateway.Client, req *gateway.SolveRequest) error {
			res, err := gw.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: options})
			if err != nil {
				return err
			}
			return on(ctx, req, "lower", res)
		}
	}
	if err := made(t, solving(nil)); err != nil {
		t.Error(err)
	}
	var gone *pb.Definition
	for want, with := range map[string]func(context.Context, gateway.Client, *gateway.SolveRequest) error{
		"exit code: 3": solving(map[string]string{"filename": "broken"}),
		"only Dockerfiles are built here": func(ctx context.Context, _ gateway.Client, req *gateway.SolveRequest) error {
			def, err := llb.Image("busybox").Marshal(ctx)
			req.FrontendInputs = map[string]*pb.Definition{"x": def.ToPB()}
			return err
		},
		"is given as LLB": func(_ context.Context, _ gateway.Client, req *gateway.SolveRequest) error {
			req.FrontendOpt["context:lower"] = "input:nothing"
			return nil
		},
		"remembered": func(ctx context.Context, gw gateway.Client, _ *gateway.SolveRequest) error {
			res, err := gw.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0"})
			if err == nil {
				gone, err = definition(ctx, res)
			}
			return errors.Join(err, errors.New("remembered"))
		},
	} {
		if err := made(t, with); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	err := made(t, func(_ context.Context, _ gateway.Client, req *gateway.SolveRequest) error {
		req.FrontendInputs = map[string]*pb.Definition{"x": gone}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("a result that is gone: %v", err)
	}
}

// TestEvaluatedReach: what is evaluated through the gateway, and what is built on,
// reaches no further than what is exported.
func TestEvaluatedReach(t *testing.T) {
	t.Parallel()
	access, err := route.ParseAccess([]string{"build"})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, buildkit.Config{Access: access}).withBase(t)
	dir := folder(t, map[string]string{"Dockerfile": "FROM busybox\nRUN echo ran\n", "second": "FROM lower\n"})
	far := map[string]string{"force-network-mode": "host"}
	for name, solve := range map[string]func(context.Context, gateway.Client) (*gateway.Result, error){
		"evaluated": func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
			return gw.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: far, Evaluate: true})
		},
		"built on": func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
			res, err := gw.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: far})
			if err != nil {
				return nil, err
			}
			req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"filename": "second"}, Evaluate: true}
			if err := on(ctx, &req, "lower", res); err != nil {
				return nil, err
			}
			return gw.Solve(ctx, req)
		},
	} {
		_, err := f.byUpgrade(t).Build(t.Context(), client.SolveOpt{LocalMounts: mounts(dir)}, "test", solve, nil)
		if err == nil || !strings.Contains(err.Error(), `needs the permission "all"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
