// Package runflags turns the flags that run and create share into what the
// engine is asked for.
package runflags

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
	"cove/internal/cli/verbs"
)

// Flags are the flags that run and create share. Register them, parse the command
// line, and ask for Options.
type Flags struct {
	// CIDFile is where the container's id is to be written, "" for nowhere.
	CIDFile string
	// TTY asks for a terminal, Stdin for an open standard input.
	TTY, Stdin bool
	// Attach are the streams to attach to, and those alone: stdin, stdout, stderr.
	Attach []string
	// Detach attaches to none.
	Detach bool

	// Quiet shows no pull.
	Quiet bool

	platform, runtime, restart, logDriver, domainname           string
	name, user, workdir, entrypoint, hostname, pull, stopSignal string
	env, envFiles, volumes, ports, tmpfs, labels                []string
	capAdd, capDrop, securityOpts, addHosts                     []string
	labelFiles, mounts, volumesFrom, logOpts, expose            []string
	limits                                                      limitFlags
	health                                                      containers.HealthOptions
	host                                                        hostFlags
	networks                                                    networkFlags
	stopTimeout                                                 int
	readOnly, privileged, autoRemove, publishAll                bool
	set                                                         *pflag.FlagSet
}

// Register adds the flags to a command's.
func (f *Flags) Register(fs *pflag.FlagSet) {
	f.set = fs
	fs.SortFlags = false
	fs.StringVar(&f.name, "name", "", "name the container")
	fs.BoolVarP(&f.Stdin, "interactive", "i", false, "keep its standard input open")
	fs.BoolVarP(&f.TTY, "tty", "t", false, "give it a terminal")
	fs.StringArrayVarP(&f.Attach, "attach", "a", nil, "attach to this alone: stdin, stdout, stderr")
	fs.BoolVar(&f.autoRemove, "rm", false, "remove it when it has ended")
	fs.StringVar(&f.restart, "restart", "no", "start it again: no, on-failure[:N], always, unless-stopped")
	fs.StringArrayVarP(&f.ports, "publish", "p", nil, "publish a port: [[IP:]HOSTPORT:]PORT[/PROTOCOL]")
	fs.BoolVarP(&f.publishAll, "publish-all", "P", false, "publish every port that is exposed, at free ports of the host")
	fs.StringArrayVar(&f.expose, "expose", nil, "a port it listens on: PORT[-PORT][/PROTOCOL]")
	fs.StringArrayVarP(&f.volumes, "volume", "v", nil, "mount a host path or a named volume: SOURCE:TARGET[:ro|O]")
	fs.StringArrayVar(&f.mounts, "mount", nil, "mount by keys: type=bind|volume|tmpfs|image,source=…,target=…[,readonly]")
	fs.StringArrayVar(&f.volumesFrom, "volumes-from", nil, "mount what another container has: NAME[:ro]")
	fs.StringArrayVar(&f.tmpfs, "tmpfs", nil, "mount an empty filesystem in memory: TARGET[:OPTIONS]")
	fs.StringArrayVarP(&f.env, "env", "e", nil, "set a variable: KEY=VALUE, or KEY to take it from here")
	fs.StringArrayVar(&f.envFiles, "env-file", nil, "read variables from a file")
	fs.StringVarP(&f.workdir, "workdir", "w", "", "working directory")
	fs.StringVarP(&f.user, "user", "u", "", "user: NAME|UID[:GROUP|GID]")
	fs.StringVar(&f.entrypoint, "entrypoint", "", "replace the image's ENTRYPOINT (\"\" for none)")
	fs.SetNormalizeFunc(olderNames)
	// In docker's grammar -h is the host name here, so help has no letter.
	fs.Bool("help", false, "show this help")
	fs.StringVarP(&f.hostname, "hostname", "h", "", "host name (default: the short id)")
	fs.StringVar(&f.domainname, "domainname", "", "NIS domain name")
	fs.StringArrayVar(&f.addHosts, "add-host", nil, "add a line to /etc/hosts: NAME:IP")
	f.networks.register(fs)
	f.limits.register(fs)
	f.host.register(fs)
	registerHealth(fs, &f.health)
	registerDocker(fs)
	fs.StringVar(&f.logDriver, "log-driver", "json-file", "where its output goes: json-file, local, none, syslog, journald")
	fs.StringArrayVar(&f.logOpts, "log-opt", nil, "option of the log driver: max-size=SIZE, max-file=NUMBER, syslog-address=URL, tag=TEMPLATE, …")
	fs.BoolVar(&f.readOnly, "read-only", false, "make its root filesystem read-only")
	fs.BoolVar(&f.privileged, "privileged", false, "give it every capability and device, unfiltered")
	fs.StringArrayVar(&f.capAdd, "cap-add", nil, "add a capability")
	fs.StringArrayVar(&f.capDrop, "cap-drop", nil, "drop a capability (ALL for all)")
	fs.StringArrayVar(&f.securityOpts, "security-opt", nil, "no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, writable-cgroups")
	fs.StringArrayVarP(&f.labels, "label", "l", nil, "label it: KEY=VALUE")
	fs.StringArrayVar(&f.labelFiles, "label-file", nil, "read labels from a file, one a line")
	fs.StringVar(&f.stopSignal, "stop-signal", "", "signal that stop sends (default: the image's, or SIGTERM)")
	fs.IntVar(&f.stopTimeout, "stop-timeout", 10, "seconds between that signal and SIGKILL, -1 to wait for ever")
	fs.StringVar(&f.CIDFile, "cidfile", "", "write the container's id to a new file")
	fs.StringVar(&f.platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	fs.StringVar(&f.runtime, "runtime", "", "OCI runtime that starts it: runc, crun, or one that is configured (default: cove's own)")
	fs.BoolVarP(&f.Quiet, "quiet", "q", false, "do not show the pull of its image")
	fs.StringVar(&f.pull, "pull", string(containers.PullMissing),
		"ask the registry for the image: always, missing, never")
}

// olderNames takes docker's older spelling of a flag.
func olderNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "net":
		name = "network"
	case "net-alias":
		name = "network-alias"
	case "dns-opt":
		name = "dns-option"
	}
	return pflag.NormalizedName(name)
}

// Options turns the flags into what the engine is asked for.
func (f *Flags) Options(image string, command []string) (containers.CreateOptions, error) {
	o := containers.CreateOptions{
		Name: f.name, AutoRemove: f.autoRemove, Restart: f.restart, Health: f.health, LogDriver: f.logDriver,
		Pull: cmp.Or(containers.PullPolicy(f.pull), containers.PullMissing), Platform: f.platform, Runtime: f.runtime,
	}
	o.Options = runspec.Options{
		Image: image, Command: command, User: f.user, Workdir: f.workdir, Hostname: f.hostname,
		TTY: f.TTY, Stdin: f.Stdin, ReadOnly: f.readOnly, StopSignal: f.stopSignal,
		Security: runspec.Security{Privileged: f.privileged, CapAdd: f.capAdd, CapDrop: f.capDrop},
	}
	if f.set.Changed("entrypoint") {
		o.Entrypoint = []string{}
		if f.entrypoint != "" {
			o.Entrypoint = []string{f.entrypoint}
		}
	}
	if f.set.Changed("stop-timeout") {
		o.StopTimeout = &f.stopTimeout
	}
	err := notEmpty(f.set)
	if err != nil {
		return o, err
	}
	if o.Attached, err = f.attached(); err != nil {
		return o, err
	}
	policies := []containers.PullPolicy{containers.PullAlways, containers.PullMissing, containers.PullNever}
	if !slices.Contains(policies, o.Pull) {
		return o, errdefs.Errorf(errdefs.ErrInvalid, "--pull %s: want always, missing or never", f.pull)
	}
	for _, opt := range f.logOpts {
		key, value, ok := strings.Cut(opt, "=")
		if !ok || key == "" {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "--log-opt %s: want KEY=VALUE, as max-size=10m", opt)
		}
		if o.LogOptions == nil {
			o.LogOptions = map[string]string{}
		}
		o.LogOptions[key] = value
	}
	steps := []func(*runspec.Options) error{
		f.parseEnv, f.parseLabels, f.parseMounts, f.parseNetwork, f.limits.parse,
		f.parseSecurity, f.host.parse,
	}
	for _, step := range steps {
		if err := step(&o.Options); err != nil {
			return o, err
		}
	}
	return o, nil
}

// attached are the streams that whoever makes it attaches to.
func (f *Flags) attached() (s runspec.Attached, err error) {
	if f.Detach {
		if len(f.Attach) > 0 {
			return s, errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: cannot specify both --attach and --detach")
		}
		return s, nil
	}
	if len(f.Attach) == 0 {
		return runspec.Attached{Stdin: f.Stdin, Stdout: true, Stderr: true}, nil
	}
	for _, name := range f.Attach {
		switch strings.ToLower(name) {
		case "stdin":
			s.Stdin = true
		case "stdout":
			s.Stdout = true
		case "stderr":
			s.Stderr = true
		default:
			return s, errdefs.Errorf(errdefs.ErrInvalid,
				"--attach %s: valid streams are STDIN, STDOUT and STDERR", name)
		}
	}
	return s, nil
}

// AttachesInputAlone reports whether nothing of what it says is seen: then its id is.
func (f *Flags) AttachesInputAlone() bool {
	s, err := f.attached()
	return err == nil && s.Stdin && !s.Stdout && !s.Stderr
}

func (f *Flags) parseEnv(o *runspec.Options) (err error) {
	o.Env, err = Environment(f.envFiles, f.env)
	return err
}

func (f *Flags) parseLabels(o *runspec.Options) (err error) {
	var all []string
	for _, name := range f.labelFiles {
		lines, err := readLines("--label-file", name)
		if err != nil {
			return err
		}
		all = append(all, lines...)
	}
	o.Labels, err = verbs.Labels(append(all, f.labels...))
	return err
}

func (f *Flags) parseMounts(o *runspec.Options) (err error) {
	if o.Volumes, err = parseAll(once(f.volumes), parseVolume); err != nil {
		return err
	}
	if o.Tmpfs, err = parseAll(f.tmpfs, parse.Tmpfs); err != nil {
		return err
	}
	o.Tmpfs = parse.LastTmpfs(o.Tmpfs)
	mounts, err := parseAll(f.mounts, parse.Mount)
	for _, m := range mounts {
		if m.Tmpfs != nil {
			o.Tmpfs = append(o.Tmpfs, *m.Tmpfs)
		} else {
			o.Volumes = append(o.Volumes, *m.Volume)
		}
	}
	o.VolumesFrom = f.volumesFrom
	return err
}

// once leaves out what was typed before, to the letter.
func once(all []string) (some []string) {
	for _, s := range all {
		if !slices.Contains(some, s) {
			some = append(some, s)
		}
	}
	return some
}

// parseVolume reads a -v, whose path of the host may begin at this directory. A word alone
// is a path in the container, also where it does not begin with a slash, as docker's command
// line takes it.
func parseVolume(s string) (runspec.Volume, error) {
	source, rest, ok := strings.Cut(s, ":")
	if !ok && s != "" {
		return parse.Volume(path.Join("/", s))
	}
	if first, _, _ := strings.Cut(source, "/"); ok && (first == "." || first == "..") {
		abs, err := filepath.Abs(source)
		if err != nil {
			return runspec.Volume{}, errdefs.Errorf(errdefs.ErrInvalid, "--volume %s: %w", s, err)
		}
		s = abs + ":" + rest
	}
	return parse.Volume(s)
}

func (f *Flags) parseNetwork(o *runspec.Options) (err error) {
	for _, p := range f.ports {
		ports, err := parse.Ports(p)
		if err != nil {
			return err
		}
		o.Ports = append(o.Ports, ports...)
	}
	for _, e := range f.expose {
		ports, err := parse.Expose(e)
		if err != nil {
			return fmt.Errorf("invalid range format for --expose: %w", err)
		}
		o.Expose = append(o.Expose, ports...)
	}
	o.PublishAll, o.Domainname = f.publishAll, f.domainname
	if o.AddHosts, err = parseAll(f.addHosts, parse.Host); err != nil {
		return err
	}
	return f.networks.parse(o)
}

func (f *Flags) parseSecurity(o *runspec.Options) error {
	for _, opt := range f.securityOpts {
		if opt == "systempaths=unconfined" { // as docker's command line has it
			o.MaskedPaths, o.ReadonlyPaths = &[]string{}, &[]string{}
			continue
		}
		if err := parse.SecurityOpt(&o.Security, opt, readFile); err != nil {
			return err
		}
	}
	return nil
}

func parseAll[T any](values []string, one func(string) (T, error)) ([]T, error) {
	var out []T
	for _, v := range values {
		parsed, err := one(v)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed)
	}
	return out, nil
}

// Environment joins --env-file and -e. A bare KEY takes the value it has here,
// and is left out (which removes it from the image's) when it has none.
func Environment(files, flags []string) ([]string, error) {
	var env []string
	for _, name := range files {
		lines, err := readLines("--env-file", name)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			if key, _, _ := strings.Cut(line, "="); strings.ContainsAny(key, " \t") {
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"--env-file %s: variable '%s' contains whitespaces", name, key)
			}
		}
		env = append(env, lines...)
	}
	env = append(env, flags...)
	for i, kv := range env {
		key, _, hasValue := strings.Cut(kv, "=")
		if key == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--env %q: want KEY=VALUE", kv)
		}
		if value, ok := os.LookupEnv(key); !hasValue && ok {
			env[i] = key + "=" + value
		}
	}
	return env, nil
}

// open opens a file that a flag names. What can be read only once, a pipe, is left to a
// program that need not begin the command again to pull an image.
func open(name string) (*os.File, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if err := containers.CanPull(); err != nil {
			return nil, err
		}
	}
	return os.Open(name)
}

func readFile(name string) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// readLines reads a file of one setting a line, in which # begins a comment.
func readLines(flag, name string) ([]string, error) {
	f, err := open(name)
	if errors.Is(err, errdefs.ErrNotLinked) {
		return nil, err
	} else if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", flag, err)
	}
	defer f.Close()
	var lines []string
	scan := bufio.NewScanner(io.LimitReader(f, 16<<20))
	scan.Buffer(nil, 16<<20) // a certificate, or a key, may be one long line
	for first := true; ; first = false {
		if !scan.Scan() {
			return lines, scan.Err()
		}
		text := scan.Text()
		if first { // editors of Windows begin a file with a mark of its byte order
			text = strings.TrimPrefix(text, "\ufeff")
		}
		line := strings.TrimLeft(strings.TrimSuffix(text, "\r"), " \t")
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
}
