package kanikocmd

import (
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"cove/errdefs"
	"cove/reference"
)

// flags are those of kaniko's executor that mean something here.
type flags struct {
	context, subPath, dockerfile, target, platform    string
	destinations, buildArgs, labels, annotations      []string
	insecureRegistries, skipTLSRegistries, mirrors    []string
	cacheRepo, compression, verbosity, logFormat      string
	snapshotMode, tarPath, layoutPath                 string
	digestFile, nameFile, tagFile                     string
	cache, noPush, noPushCache, reproducible, single  bool
	insecure, skipTLS, cacheCopy, cacheRun, skipStage bool
	level                                             int

	always struct {
		cleanup, force, newRun, ignoreVarRun bool
		pushRetry, pullRetry, extractRetry   int
	}
}

// refused are flags of kaniko that cannot be had, and what to do instead.
var refused = map[string]string{
	"cache-dir":                        "base images are kept in the state root, --root",
	"cache-ttl":                        "what a step made does not go bad with time: builder prune --filter until=336h",
	"compressed-caching":               "layers are packed once, for the image and the cache",
	"credential-helpers":               "the helpers of docker's config.json are asked",
	"git":                              "write branch and submodules into the context: git://HOST/x.git#BRANCH, ?submodules=false",
	"ignore-path":                      "a step sees the image's files alone, and nothing of this container is in a layer",
	"image-fs-extract-retry-delay":     "a transfer that is cut goes on where it was",
	"initial-fs-unpacked":              "an image is unpacked into a snapshot of its own, not over this container",
	"insecure-pull":                    "name the registries: --insecure-registry HOST",
	"kaniko-dir":                       "name the state root: --root",
	"log-timestamp":                    "--log-format json has times",
	"materialize":                      "an image is unpacked into a snapshot of its own: -o DIRECTORY of build writes its files",
	"push-ignore-immutable-tag-errors": "a tag that may not move fails the push: test for the error",
	"registry-certificate":             "put it into certs.d, see docs/config.md",
	"registry-client-cert":             "put it into certs.d, see docs/config.md",
	"registry-map":                     "use --registry-mirror, or mirrors of docs/config.md",
	"skip-default-registry-fallback":   "a mirror that has not the image is passed over",
	"skip-push-permission-check":       "there is no check before the build: leave it out",
	"skip-tls-verify-pull":             "name the registries: --skip-tls-verify-registry HOST",
}

func (f *flags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVarP(&f.context, "context", "c", "/workspace/",
		"dir://DIRECTORY, git://REPOSITORY#REF, tar://stdin, https://…, or a directory")
	fs.StringVar(&f.subPath, "context-sub-path", "", "the directory of the context that is taken")
	fs.StringVarP(&f.dockerfile, "dockerfile", "f", "Dockerfile", "the Dockerfile")
	fs.StringArrayVarP(&f.destinations, "destination", "d", nil, "name the image, and push it there: NAME[:TAG]")
	fs.StringArrayVar(&f.buildArgs, "build-arg", nil, "give an ARG a value: NAME=VALUE, or NAME to take it from here")
	fs.StringVar(&f.target, "target", "", "the stage to build")
	fs.StringVar(&f.platform, "custom-platform", "", "build for OS/ARCH[/VARIANT]")
	fs.StringArrayVar(&f.labels, "label", nil, "label the image: KEY=VALUE")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotate the manifest: KEY=VALUE")
	fs.BoolVar(&f.cache, "cache", false,
		"use what steps made before, here and in --cache-repo; without it every step is executed")
	fs.StringVar(&f.cacheRepo, "cache-repo", "",
		"where the cache is: a repository, or oci:DIRECTORY (default: DESTINATION/cache)")
	fs.BoolVar(&f.noPushCache, "no-push-cache", false, "do not export the cache")
	fs.BoolVar(&f.cacheCopy, "cache-copy-layers", true, "cache COPY, which is always done")
	fs.BoolVar(&f.cacheRun, "cache-run-layers", true, "cache RUN, which is always done")
	fs.BoolVar(&f.noPush, "no-push", false, "do not push the image")
	fs.StringVar(&f.tarPath, "tar-path", "", "write the image to an archive, as docker save does")
	fs.StringVar(&f.layoutPath, "oci-layout-path", "", "write the image to a directory, as an OCI layout")
	fs.StringVar(&f.digestFile, "digest-file", "", "write the digest of the image to a file")
	fs.StringVar(&f.nameFile, "image-name-with-digest-file", "", "write NAME@DIGEST of each destination to a file")
	fs.StringVar(&f.tagFile, "image-name-tag-with-digest-file",
		"", "write NAME:TAG@DIGEST of each destination to a file")
	fs.StringVar(&f.compression, "compression", "", "compression of new layers: gzip or zstd")
	fs.IntVar(&f.level, "compression-level", -1, "its level")
	fs.BoolVar(&f.reproducible, "reproducible", false, "give everything the time 0: as SOURCE_DATE_EPOCH=0")
	fs.BoolVar(&f.single, "single-snapshot", false, "make one layer over the base: as --squash")
	fs.BoolVar(&f.insecure, "insecure", false, "push without TLS")
	fs.BoolVar(&f.skipTLS, "skip-tls-verify", false, "push to who has a certificate that nobody vouches for")
	fs.StringArrayVar(&f.insecureRegistries, "insecure-registry", nil,
		"speak to this registry without TLS: HOST[:PORT]")
	fs.StringArrayVar(&f.skipTLSRegistries, "skip-tls-verify-registry", nil,
		"believe this registry any certificate: HOST[:PORT]")
	fs.StringArrayVar(&f.mirrors, "registry-mirror", nil, "ask this mirror for images of docker.io")
	fs.StringVarP(&f.verbosity, "verbosity", "v", "info", "trace, debug, info, warn, error, fatal or panic")
	fs.StringVar(&f.logFormat, "log-format", "color", "text, color or json")
	f.registerRest(fs)
}

// registerRest are flags that ask for what is always done, and those that are refused.
func (f *flags) registerRest(fs *pflag.FlagSet) {
	fs.StringVar(&f.snapshotMode, "snapshot-mode", "full", "full, redo or time: what changed is known exactly in each")
	fs.BoolVar(&f.skipStage, "skip-unused-stages", true, "leave out stages that nothing needs, which is always done")
	fs.BoolVar(&f.always.cleanup, "cleanup", false, "leave nothing of the build behind, which is always done")
	fs.BoolVar(&f.always.force, "force", false, "build outside of a container too, which is always done")
	fs.BoolVar(&f.always.newRun, "use-new-run", false, "find out exactly what RUN changed, which is always done")
	fs.BoolVar(&f.always.ignoreVarRun, "ignore-var-run", true, "of kaniko's own container: there is none here")
	fs.IntVar(&f.always.pushRetry, "push-retry", 0, "try again, which is always done")
	fs.IntVar(&f.always.pullRetry, "image-download-retry", 0, "try again, which is always done")
	fs.IntVar(&f.always.extractRetry, "image-fs-extract-retry", 0, "try again, which is always done")
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		fs.String(name, "", "refused: "+refused[name])
		fs.Lookup(name).NoOptDefVal = "true"
		_ = fs.MarkHidden(name) // it was registered a line above
	}
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		old := map[string]string{
			"tarPath": "tar-path", "snapshotMode": "snapshot-mode", "customPlatform": "custom-platform",
		}
		if now, ok := old[name]; ok {
			name = now
		}
		return pflag.NormalizedName(name)
	})
}

// refuse refuses by name what cannot be had.
func (f *flags) refuse(given func(name string) bool) error {
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if given(name) {
			return errdefs.Errorf(errdefs.ErrUnsupported, "--%s is not supported: %s", name, refused[name])
		}
	}
	invalid := func(format string, args ...any) error { return errdefs.Errorf(errdefs.ErrInvalid, format, args...) }
	switch {
	case !f.cacheCopy, !f.cacheRun:
		return errdefs.Errorf(errdefs.ErrUnsupported, "--cache-copy-layers and --cache-run-layers are always true: "+
			"leave --cache out to execute every step")
	case !f.skipStage:
		return errdefs.Errorf(errdefs.ErrUnsupported, "--skip-unused-stages=false: build the other stages by --target")
	case len(f.destinations) == 0 && !f.noPush:
		return invalid("say where the image goes with --destination, or that it goes nowhere with --no-push")
	case len(f.destinations) == 0 && f.tarPath != "":
		return invalid("--tar-path: the image needs a name in the archive: --destination")
	case f.cache && f.cacheRepo == "" && len(f.destinations) == 0:
		return invalid("--cache: say with --cache-repo where the cache is")
	case !slices.Contains([]string{"full", "redo", "time"}, f.snapshotMode):
		return invalid("--snapshot-mode %s: want full, redo or time", f.snapshotMode)
	}
	return nil
}

// args are the flags of build that mean the same.
func (f *flags) args() ([]string, error) {
	var out []string
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, name+"="+v)
			}
		}
	}
	add("--tag", f.destinations...)
	add("--build-arg", f.buildArgs...)
	add("--label", f.labels...)
	add("--annotation", f.annotations...)
	add("--target", f.target)
	add("--platform", f.platform)
	out = append(out, f.outputs()...)
	out = append(out, f.caches()...)
	out = append(out, f.packing()...)
	progress, err := f.progress()
	if err != nil {
		return nil, err
	}
	add("--progress", progress)
	where, file, err := f.where()
	if err != nil {
		return nil, err
	}
	add("--file", file)
	return append(out, "--", where), nil
}

// packing is how layers are made.
func (f *flags) packing() (out []string) {
	if f.compression != "" {
		out = append(out, "--compression="+f.compression)
	}
	if f.level >= 0 {
		out = append(out, "--compression-level="+strconv.Itoa(f.level))
	}
	if f.reproducible {
		out = append(out, "--source-date-epoch=0")
	}
	if f.single {
		out = append(out, "--squash")
	}
	return out
}

// outputs are where the image goes; one that goes nowhere is built all the same.
func (f *flags) outputs() (out []string) {
	if !f.noPush {
		out = append(out, "--output=type=registry")
	}
	if f.tarPath != "" {
		out = append(out, "--output=type=docker,dest="+f.tarPath)
	}
	if f.layoutPath != "" {
		out = append(out, "--output=type=oci,tar=false,dest="+f.layoutPath)
	}
	if len(out) == 0 {
		out = append(out, "--output=type=image")
	}
	return out
}

// caches are what --cache means: without it every step is executed.
func (f *flags) caches() (out []string) {
	if !f.cache {
		return []string{"--no-cache"}
	}
	from, to := "", ""
	if dir, ok := strings.CutPrefix(f.cacheRepo, "oci:"); ok {
		from, to = "type=local,src="+dir, "type=local,dest="+dir
	} else {
		repo := f.cacheRepo
		if repo == "" {
			if ref, err := reference.Parse(f.destinations[0]); err == nil {
				repo = ref.Name() + "/cache"
			}
		}
		from, to = "type=registry,ref="+repo, "type=registry,ref="+repo
	}
	out = append(out, "--cache-from="+from)
	if !f.noPushCache {
		out = append(out, "--cache-to="+to+",mode=max,ignore-error=true")
	}
	return out
}

// progress is how much is shown.
func (f *flags) progress() (string, error) {
	formats := map[string]string{"text": "plain", "color": "auto", "json": "rawjson"}
	shown, ok := formats[f.logFormat]
	if !ok {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "--log-format %s: want text, color or json", f.logFormat)
	}
	switch f.verbosity {
	case "info":
		return shown, nil
	case "debug", "trace":
		if shown == "auto" {
			shown = "plain"
		}
		return shown, nil
	case "warn", "error", "fatal", "panic":
		return "quiet", nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid,
		"--verbosity %s: want trace, debug, info, warn, error, fatal or panic", f.verbosity)
}

// where is the context as build names it, and the Dockerfile in it.
func (f *flags) where() (dir, file string, err error) {
	scheme, rest, ok := strings.Cut(f.context, "://")
	switch {
	case !ok || scheme == "dir":
		if ok {
			dir = rest
		} else {
			dir = f.context
		}
		dir = path.Join(dir, f.subPath)
		return dir, f.below(dir), nil
	case scheme == "git" || scheme == "https" && strings.Contains(rest, ".git"):
		return f.repository(rest), f.dockerfile, nil
	case scheme == "tar" && rest == "stdin":
		dir = "-"
	case scheme == "https" || scheme == "http":
		dir = f.context
	default:
		return "", "", errdefs.Errorf(errdefs.ErrUnsupported,
			"--context %s: %s:// is not supported: bring it here, and name the directory, "+
				"or give it on standard input as tar://stdin",
			f.context, scheme)
	}
	if f.subPath != "" {
		return "", "", errdefs.Errorf(errdefs.ErrUnsupported, "--context-sub-path is of directories and repositories")
	}
	return dir, f.dockerfile, nil
}

// below is the Dockerfile as build finds it: kaniko looks in the context first.
func (f *flags) below(dir string) string {
	if path.IsAbs(f.dockerfile) {
		return f.dockerfile
	}
	if file := path.Join(dir, f.dockerfile); exists(file) {
		return file
	}
	return f.dockerfile
}

// repository is git://HOST/x.git[#REF[#COMMIT]] as build has it: over HTTPS, as kaniko
// fetches it, at the commit if there is one.
func (f *flags) repository(rest string) string {
	remote, ref, _ := strings.Cut(rest, "#")
	if name, commit, ok := strings.Cut(ref, "#"); ok {
		if ref = commit; commit == "" {
			ref = name
		}
	}
	if !strings.HasSuffix(remote, ".git") {
		remote += ".git"
	}
	out := "https://" + remote
	if ref != "" || f.subPath != "" {
		out += "#" + ref
	}
	if f.subPath != "" {
		out += ":" + f.subPath
	}
	return out
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
