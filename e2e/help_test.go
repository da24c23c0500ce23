package e2e

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cove/distribution/distributiontest"
)

// sameVerb has the verbs that docker has under two names.
var sameVerb = map[string]string{
	"builder build": "build", "image build": "build", "image history": "history", "image import": "import",
	"image load": "load", "image ls": "images", "image pull": "pull", "image push": "push", "image rm": "rmi",
	"image save": "save", "image tag": "tag", "container ls": "ps", "system events": "events", "system info": "info",
}

// refusedVerbs are those of what cove has not: every verb below one is tried and is
// refused by name, with all its flags.
var refusedVerbs = map[string]bool{
	"checkpoint": true, "config": true, "node": true, "plugin": true, "secret": true, "service": true, "stack": true,
	"swarm": true,
}

// notOurs are verbs that ask nothing of an engine.
var notOurs = map[string]string{
	"trust": "it speaks with a server of notary's", "completion": "it is for shells",
}

// notTried are flags that no step has.
var notTried = map[string]string{
	" --tls": "TestTCPNeedsACertificateOfBoth has connections with certificates", " --tlscacert": "the same",
	" --tlscert": "the same", " --tlskey": "the same", " --tlsverify": "the same",
	// 20.10 has Kubernetes beside swarm.
	"context create --kubernetes": "another orchestrator's", "context update --kubernetes": "the same",
	"context create --default-stack-orchestrator": "the same", "context update --default-stack-orchestrator": "the same",
	"context export --kubeconfig": "the same", "version --kubeconfig": "the same",
}

// verb is what docker's help tells of one: its flags by each of their names, and whether
// one takes a value.
type verb struct {
	flags map[string]flag
	// plain ends its flags at the first word that is none.
	plain bool
}

type flag struct {
	name  string
	value bool
}

var (
	helpFlag = regexp.MustCompile(`(?m)^ +(?:(-\S), )?(--[a-z0-9-]+)( \S+)?(?: {2,}|$)`)
	helpVerb = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)\*? `)
)

// helpOf reads docker's help of a verb and of all below it.
func helpOf(t *testing.T, s served, cli string, words []string, into map[string]verb) {
	t.Helper()
	out, err := s.run(t.Context(), "", strings.Join(slices.Concat([]string{cli}, words, []string{"--help"}), " "))
	if err != nil {
		t.Fatalf("the help of %v: %v\n%s", words, err, out)
	}
	flags := map[string]flag{}
	_, text, _ := strings.Cut(out, "Options:\n")
	for _, m := range helpFlag.FindAllStringSubmatch(text, -1) {
		f := flag{name: m[2], value: m[3] != ""}
		flags[m[2]] = f
		if m[1] != "" {
			flags[m[1]] = f
		}
	}
	name := strings.Join(words, " ")
	plain := slices.Contains([]string{"run", "create", "exec", "top"}, canonical(name))
	subs := false
	for _, section := range regexp.MustCompile(`(?m)^(?:[A-Z][a-z]+ )?Commands:\n`).Split(out, -1)[1:] {
		section, _, _ = strings.Cut(section, "\n\n")
		for _, m := range helpVerb.FindAllStringSubmatch(section, -1) {
			subs = true
			if m[1] != "help" {
				helpOf(t, s, cli, slices.Concat(words, []string{m[1]}), into)
			}
		}
	}
	if !subs || name == "" {
		into[name] = verb{flags: flags, plain: plain}
	}
}

// canonical is the one name of a verb.
func canonical(name string) string {
	if same, ok := sameVerb[name]; ok {
		return same
	}
	if below, ok := strings.CutPrefix(name, "container "); ok && below != "prune" {
		return below
	}
	return name
}

// driven is the verb of a step and the flags that it has; what is not in the help is
// returned as unknown.
func driven(verbs map[string]verb, args string) (name string, flags []string, unknown string) {
	words := shellWords(args)
	global := verbs[""]
	words, flags, unknown = flagsOf(global, words, true)
	var prefixed []string
	for _, f := range flags {
		prefixed = append(prefixed, " "+f)
	}
	for n := 3; n > 0; n-- {
		if len(words) < n {
			continue
		}
		if v, ok := verbs[strings.Join(words[:n], " ")]; ok {
			name = strings.Join(words[:n], " ")
			_, flags, more := flagsOf(v, words[n:], v.plain)
			for _, f := range flags {
				prefixed = append(prefixed, canonical(name)+" "+f)
			}
			return name, prefixed, unknown + more
		}
	}
	if len(words) > 0 {
		unknown += " " + words[0]
	}
	return "", prefixed, unknown
}

// flagsOf are the flags at the beginning of words, or among them all.
func flagsOf(v verb, words []string, beginning bool) (rest, flags []string, unknown string) {
	for len(words) > 0 {
		word, _, joined := strings.Cut(words[0], "=")
		switch {
		case word == "--" || word == "-" || !strings.HasPrefix(word, "-"):
			if beginning || word == "--" {
				return words, flags, unknown
			}
			words = words[1:]
			continue
		}
		names := []string{word}
		if !strings.HasPrefix(word, "--") {
			names = nil
			for _, letter := range word[1:] {
				names = append(names, "-"+string(letter))
			}
		}
		words = words[1:]
		for _, n := range names {
			f, ok := v.flags[n]
			if !ok {
				unknown += " " + n
				continue
			}
			flags = append(flags, f.name)
			if f.value && !joined && len(words) > 0 {
				words = words[1:]
			}
		}
	}
	return nil, flags, unknown
}

// shellWords are the words of a line up to what ends a command.
func shellWords(line string) (words []string) {
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		if strings.ContainsAny(m[:1], "|&;<>") || strings.HasPrefix(m, "2>") {
			return words
		}
		end := strings.HasSuffix(m, ";")
		words = append(words, strings.Trim(m, ";'"))
		if end {
			return words
		}
	}
	return words
}

// TestEveryVerbAndFlag has docker do all that its help has: each verb and each flag is in
// a step that says what comes of it. A step with a flag that a version has not is left out.
func TestEveryVerbAndFlag(t *testing.T) {
	for version, subnet := range map[string]string{"20.10": "10.72.60", "28.2": "10.72.61"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			cli, s, dir := docker(t, version), serveAPI(t), t.TempDir()
			s.env = append(s.env, "DOCKER_BUILDKIT=0", "DOCKER_CLI_EXPERIMENTAL=enabled", "DOCKER_CLI_HINTS=false")
			verbs := map[string]verb{}
			helpOf(t, s, cli, nil, verbs)
			verbsDir(t, dir)
			registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
			seen := map[string]bool{}
			tried := triedBy(t, verbs, createdToo(flagSteps), version, seen)
			triedBy(t, verbs, steps, version, seen) // TestDockerDrivesCove runs them
			untried(t, verbs, seen)
			last := subnet[strings.LastIndex(subnet, ".")+1:]
			r := strings.NewReplacer("$D", dir, "$R", registry, "$C", cli, "$N", subnet, "$6", "fd00:db8:"+last, "$F", last,
				"$B", blockDevice(t), "$S", strings.TrimPrefix(s.host, "unix://"), "$A", runtime.GOARCH)
			passed := runSteps(t, s, tried, r, cli)
			t.Logf("docker %s: %d verbs; %d of %d more commands pass", version, len(verbs), passed, len(tried))
		})
	}
}

// triedBy are those steps that a version of docker can try, and notes their verbs and
// flags as seen. What a cluster would have is tried where the help hides it, too.
func triedBy(t *testing.T, verbs map[string]verb, all []step, version string, seen map[string]bool) (tried []step) {
	t.Helper()
	for _, st := range all {
		name, flags, unknown := driven(verbs, st.args)
		first, _, _ := strings.Cut(st.args, " ")
		if unknown != "" && !refusedVerbs[first] {
			t.Logf("not with this version:%s: %s", unknown, st.args)
			continue
		}
		seen[canonical(name)] = true
		for _, f := range flags {
			seen[f] = true
		}
		if !st.newer || version != "20.10" {
			tried = append(tried, st)
		}
	}
	return tried
}

// untried tells which verbs and flags of the help no step has.
func untried(t *testing.T, verbs map[string]verb, seen map[string]bool) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		first, _, _ := strings.Cut(name, " ")
		if notOurs[first] != "" {
			continue
		}
		if !seen[canonical(name)] && name != "" {
			t.Errorf("docker %s is in the help, and in no step", name)
			continue
		}
		if refusedVerbs[first] {
			continue
		}
		for _, f := range verbs[name].flags {
			if key := canonical(name) + " " + f.name; !seen[key] && notTried[key] == "" {
				t.Errorf("docker %s %s is in the help, and in no step", name, f.name)
			}
		}
	}
}

// verbsDir has the files that steps name.
func verbsDir(t *testing.T, dir string) {
	t.Helper()
	body, err := rootfsTar()
	err = errors.Join(err, os.MkdirAll(filepath.Join(dir, "context"), 0o755))
	for name, text := range map[string]string{
		"root.tar": string(body), "file": "text of file\n", "env": "OF_FILE=yes\n", "labels": "of.file=yes\n",
		"context/file": "text of context\n",
		"context/Dockerfile": "ARG BASE=box:1\nFROM $BASE AS first\nARG WORD\nCOPY file /file\n" +
			"RUN echo $WORD >/word; cp /etc/hosts /hosts; ulimit -n >/files; df -k /dev/shm | tail -1 >/shm\nFROM first AS second\nRUN touch /second\n",
		"stack.yaml":    "version: \"3.8\"\nservices: {a: {image: \"box:1\"}}\n",
		"context/other": "FROM box:1\nCMD [\"echo\", \"of another file\"]\n",
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// blockDevice is a disk of this machine, whose reads and writes can be limited.
func blockDevice(t *testing.T) string {
	t.Helper()
	disks, err := filepath.Glob("/sys/block/[svn][dv][a-z]*")
	if err != nil || len(disks) == 0 {
		return "/dev/loop0"
	}
	return "/dev/" + filepath.Base(disks[0])
}

// createdToo has each step that runs what goes as it ends followed by one that creates
// it: both verbs have these flags.
func createdToo(all []step) (steps []step) {
	for _, st := range all {
		steps = append(steps, st)
		options, ok := strings.CutPrefix(st.args, "run --rm ")
		options, _, of := strings.Cut(options, " box:1")
		for _, only := range []string{"--cidfile $D/cid", "--sig-proxy=false", "--detach-keys ctrl-a,q"} {
			options = strings.Replace(options, only, "", 1)
		}
		if ok && of && st.code == 0 {
			steps = append(steps, step{args: "create " + options + " box:1 true", out: `^[0-9a-f]{64}$`})
		}
	}
	return steps
}
