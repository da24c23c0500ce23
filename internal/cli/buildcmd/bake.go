package buildcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/bakefile/definition"
	"cove/internal/bakefile/late"
	"cove/internal/cli/app"
	"cove/internal/cli/buildflags"
	"cove/internal/cli/callcmd"
	"cove/internal/cli/progress/steps"
)

// bakeFlags are the flags of bake.
type bakeFlags struct {
	files, sets, vars, allow                         []string
	list, call, progress, metadata, provenance, sbom string
	print, push, load, pull, noCache, check          bool
	explain                                          bool

	lock  buildflags.Lock
	asked callcmd.Call
}

func (f *bakeFlags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringArrayVarP(&f.files, "file", "f", nil, "a file of targets: HCL, JSON or compose (- for standard input)")
	fs.StringArrayVar(&f.sets, "set", nil, "change a target: TARGET.KEY=VALUE, as app.tags=app:1 or *.args.VERSION=2; += adds to a list")
	fs.StringArrayVar(&f.vars, "var", nil, "give a variable a value: NAME=VALUE")
	fs.BoolVar(&f.print, "print", false, "print the targets as JSON, and build nothing")
	fs.StringVar(&f.list, "list", "", "list targets or variables: targets, variables, or type=targets,format=json")
	fs.BoolVar(&f.push, "push", false, "push the images: as --set *.push=true")
	fs.BoolVar(&f.load, "load", false, "keep the images here, which is also the default")
	fs.BoolVar(&f.pull, "pull", false, "ask the registry for the base images even if they are here")
	fs.BoolVar(&f.noCache, "no-cache", false, "execute every step")
	fs.StringArrayVar(&f.allow, "allow", nil,
		"let targets have network.host, security.insecure, fs=PATH, fs.read=PATH or fs.write=PATH")
	fs.StringVar(&f.provenance, "provenance", "", "as --set *.attest=type=provenance")
	fs.StringVar(&f.sbom, "sbom", "", "as --set *.attest=type=sbom")
	fs.StringVar(&f.call, "call", "build", "what to do: build, or tell of the Dockerfiles check, outline, targets; [,format=json][,ignorestatus=true]")
	fs.BoolVar(&f.check, "check", false, "as --call check")
	fs.StringVar(&f.metadata, "metadata-file", "", "write what was built to a file, as JSON with buildx's keys")
	steps.Flag(fs, &f.progress)
	fs.BoolVar(&f.explain, "explain", false, "say why a step was not cached")
	f.lock.Register(fs)
}

// Bake builds the targets of a file.
func Bake(a *app.App) *cobra.Command {
	var f bakeFlags
	cmd := &cobra.Command{
		Use:   "bake [flags] [TARGET...]",
		Short: "Build the targets of a bake or compose file, all as one build",
		Example: `  bake
  bake -f docker-bake.hcl app db
  bake --set '*.platform=linux/arm64' --set app.args.VERSION=2 --push
  bake -f compose.yaml --print
  bake --list targets`,
		Args: app.RangeArgs(0, -1),
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		steps.FromEnvironment(cmd.Flags(), &f.progress)
		env, err := f.environment()
		if err != nil {
			return err
		}
		def, err := f.read(a, args, env)
		if err != nil {
			return showSyntax(a, err)
		}
		if f.list != "" {
			return f.listing(a, def)
		}
		plan, err := f.resolve(def, args, env)
		if err != nil {
			return err
		}
		if f.print {
			text, err := plan.JSON()
			if err == nil {
				_, err = fmt.Fprintf(a.Out, "%s\n", text)
			}
			return err
		}
		return f.build(cmd.Context(), a, plan)
	}
	return cmd
}

// showSyntax shows the lines of a file around a mistake in it.
func showSyntax(a *app.App, err error) error {
	if at := (*definition.SyntaxError)(nil); errors.As(err, &at) {
		steps.Excerpt(a.Err, at.Source, builds.Location{File: at.File, Line: at.Line, End: at.End})
	}
	return err
}

func (f *bakeFlags) environment() (definition.Environment, error) {
	env := definition.Environment{
		Lookup: os.LookupEnv, Dir: ".", Platform: "linux/" + runtime.GOARCH, Vars: map[string]string{},
	}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return env, errdefs.Errorf(errdefs.ErrInvalid, "--var %q: want NAME=VALUE", v)
		}
		env.Vars[name] = value
	}
	return env, nil
}

// maxBakeFile bounds a file of targets.
const maxBakeFile = 8 << 20

// read reads the files of targets.
func (f *bakeFlags) read(a *app.App, args []string, env definition.Environment) (*definition.Definition, error) {
	if len(args) > 0 && strings.Contains(args[0], "://") {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"bake %s: a file in a repository is not read: clone the repository, and call bake there", args[0])
	}
	parse, err := late.Parser()
	if err != nil {
		return nil, err // before standard input is read
	}
	names, given := f.files, true
	if len(names) == 0 {
		names = filesOfEnvironment()
	}
	if len(names) == 0 {
		names, given = definition.DefaultNames, false
	}
	var files []definition.File
	for _, name := range names {
		data, err := readBakeFile(a.In, name)
		if errors.Is(err, os.ErrNotExist) && !given {
			continue
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "bake file: %w", err)
		}
		files = append(files, definition.File{Name: name, Data: data})
	}
	if len(files) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"there is no bake file here: docker-bake.hcl, docker-bake.json or compose.yaml; name another with -f")
	}
	return parse(files, env)
}

// filesOfEnvironment are those that BUILDX_BAKE_FILE names.
func filesOfEnvironment() []string {
	names := os.Getenv("BUILDX_BAKE_FILE")
	if names == "" {
		return nil
	}
	separator := os.Getenv("BUILDX_BAKE_FILE_SEPARATOR")
	if separator == "" {
		separator = string(os.PathListSeparator)
	}
	return strings.Split(names, separator)
}

func readBakeFile(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxBakeFile+1))
	if err == nil && len(data) > maxBakeFile {
		err = errdefs.Errorf(errdefs.ErrExhausted, "%s: larger than %d bytes", name, maxBakeFile)
	}
	return data, err
}

// resolve finds what to build, with what the flags change.
func (f *bakeFlags) resolve(
	d *definition.Definition, names []string, env definition.Environment,
) (*definition.Plan, error) {
	var overrides []definition.Override
	every := func(key, value string) {
		overrides = append(overrides, definition.Override{Pattern: "*", Key: key, Value: value})
	}
	for kind, value := range map[string]string{"provenance": f.provenance, "sbom": f.sbom} {
		if value == "" {
			continue
		}
		e, err := definition.ParseAttest(kind, value)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--%s: %w", kind, err)
		}
		every("attest", e.Flag())
	}
	for _, s := range f.sets {
		o, ok, err := definition.ParseOverride(s, env)
		if err != nil {
			return nil, err
		}
		if ok {
			overrides = append(overrides, o)
		}
	}
	for key, on := range map[string]bool{"pull": f.pull, "no-cache": f.noCache} {
		if on {
			every(key, "true")
		}
	}
	if f.load {
		every("load", "true")
	}
	if f.push {
		every("push", "true")
	}
	call, err := callcmd.Parse(f.call, f.check)
	if err != nil {
		return nil, err
	}
	if f.asked = call; call.Asks() {
		every("call", call.Name())
	}
	return d.Resolve(names, overrides)
}

// build builds what the plan says, as one build.
func (f *bakeFlags) build(ctx context.Context, a *app.App, plan *definition.Plan) error {
	var all []*buildFlags
	var options []builds.Options
	if err := checkAllowed(plan, f.allow); err != nil {
		return err
	}
	lock, err := f.lock.Read(f.pull)
	if err != nil {
		return err
	}
	for _, name := range plan.Order() {
		t := plan.Targets[name]
		b := f.flagsOf(t)
		o, err := b.options(ctx, a, directory(*t.Context))
		if err != nil {
			return errdefs.Errorf(errdefs.KindOf(err), "target %s: %w", name, err)
		}
		o.Name, o.Lock = name, lock
		if t.DockerfileInline != nil {
			o.Stdin = strings.NewReader(*t.DockerfileInline)
		}
		all, options = append(all, b), append(options, o)
	}
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	if asked, err := f.ask(ctx, a, eng, plan, options); asked || err != nil {
		return err
	}
	end, err := all[0].showProgress(a, &options[0])
	if err != nil {
		return err
	}
	results, err := builds.BuildAll(ctx, eng, options)
	end()
	if err != nil {
		return all[0].failed(a, err, options[0].Progress != nil)
	}
	if err := f.lock.Write(); err != nil {
		return err
	}
	return f.report(a, plan, all, results)
}

// directory is where a context of a target is.
func directory(from string) string { return strings.TrimPrefix(from, "cwd://") }

// isRemote says whether a context is no directory of this machine.
func isRemote(from string) bool {
	return strings.Contains(from, "://") && !strings.HasPrefix(from, "cwd://") ||
		strings.HasPrefix(from, "git@") || strings.HasPrefix(from, "github.com/")
}

// flagsOf are the flags of build that say what a target says.
func (f *bakeFlags) flagsOf(t *definition.Target) *buildFlags {
	b := &buildFlags{
		tags: t.Tags, annotations: t.Annotations, noCacheFilter: t.NoCacheFilter, allow: t.Entitlements,
		outputs: definition.Flags(t.Outputs), platforms: t.Platforms, cacheFrom: definition.Flags(t.CacheFrom),
		cacheTo: definition.Flags(t.CacheTo), secrets: definition.Flags(t.Secrets), ssh: definition.Flags(t.SSH),
		buildArgs: pairs(t.Args), labels: pairs(t.Labels), target: valueOf(t.Target), network: valueOf(t.Network),
		pull: t.Pull != nil && *t.Pull, noCache: t.NoCache != nil && *t.NoCache,
		progress: f.progress, explain: f.explain, baking: true,
		docker: dockerFlags{rm: true, contentTrust: true, attest: definition.Flags(t.Attest)},
	}
	for name, value := range t.Contexts {
		b.contexts = append(b.contexts, name+"="+directory(value))
	}
	for host, ip := range t.ExtraHosts {
		b.run.AddHost(host, valueOf(ip))
	}
	b.run.SetLimits(valueOf(t.ShmSize), t.Ulimits)
	b.file = dockerfileOf(t)
	return b
}

// dockerfileOf is the target's Dockerfile as -f takes it: below a context that is a
// directory here.
func dockerfileOf(t *definition.Target) string {
	file := valueOf(t.Dockerfile)
	rest, here := strings.CutPrefix(file, "cwd://")
	switch {
	case t.DockerfileInline != nil:
		return "-"
	case here:
		return rest
	case filepath.IsAbs(file) || isRemote(*t.Context):
		return file
	}
	return filepath.Join(directory(*t.Context), file)
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// pairs are KEY=VALUE, in the order of the keys.
func pairs(m map[string]*string) (out []string) {
	for k, v := range m {
		if v != nil {
			out = append(out, k+"="+*v)
		}
	}
	slices.Sort(out)
	return out
}

// ask tells of the Dockerfiles of targets whose call says so, in place of a build.
func (f *bakeFlags) ask(
	ctx context.Context, a *app.App, eng builds.Engine, plan *definition.Plan, options []builds.Options,
) (asked bool, err error) {
	var targets []callcmd.Target
	for name, t := range plan.Targets {
		text, err := json.Marshal(t)
		if err != nil {
			return false, errdefs.Errorf(errdefs.ErrInvalid, "target %s: %w", name, err)
		}
		targets = append(targets, callcmd.Target{
			Name: name, Description: t.Description, Call: valueOf(t.Call), Build: text,
		})
	}
	groups, err := json.Marshal(plan.Groups)
	if err != nil {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "groups: %w", err)
	}
	slices.SortFunc(targets, func(x, y callcmd.Target) int { return strings.Compare(x.Name, y.Name) })
	return f.asked.Bake(ctx, a, eng, callcmd.Plan{Groups: groups, Targets: targets, Options: options})
}
