package dockerfile

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/sys/signal"

	"cove/builder/plan"
)

// maxSignal is the last signal of Linux, SIGRTMAX.
const maxSignal = 64

func checkSignal(word string) error {
	s, err := signal.ParseSignal(word)
	if err != nil || s < 1 || s > maxSignal {
		return invalid("%q is no signal: use a name such as SIGQUIT or a number from 1 to %d", word, maxSignal)
	}
	return nil
}

// checkOwner refuses a "user[:group]" that can name nobody, on any system: who
// there is becomes known only when the filesystem is. "" is accepted, as docker
// does: it means root.
func checkOwner(what, word string) error {
	if word == "" {
		return nil
	}
	names := strings.Split(word, ":")
	if len(names) > 2 || strings.Join(names, "") == "" {
		return invalid("%s%q: want USER, UID, USER:GROUP or UID:GID", what, word)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "-") || strings.ContainsFunc(name, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' || r == ','
		}) {
			return invalid("%s%q: %q is not the name of a user or group", what, word, name)
		}
		// The highest number means "no change" to the kernel.
		if digits(name) {
			if n, err := strconv.ParseUint(name, 10, 32); err != nil || n == math.MaxUint32 {
				return invalid("%s%q: an id is between 0 and %d", what, word, uint32(math.MaxUint32-1))
			}
		}
	}
	return nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// checkMount refuses options of a --mount that would mean nothing for its type.
func checkMount(m *instructions.Mount) error {
	switch {
	case m.Mode != nil && *m.Mode > 0o7777:
		return invalid("--mount: mode=%o: an octal mode is between 0 and 07777", *m.Mode)
	case m.Type == instructions.MountTypeTmpfs && (m.From != "" || m.Source != ""):
		return invalid("--mount=type=tmpfs is empty: it takes no from= and no source=")
	case m.Type != instructions.MountTypeCache && m.Type != instructions.MountTypeSecret &&
		m.Type != instructions.MountTypeSSH && m.CacheID != "":
		return invalid("--mount=type=%s takes no id=; cache, secret and ssh do", m.Type)
	case m.Env != nil && strings.ContainsAny(*m.Env, "=\x00"):
		return invalid("--mount: env=%s is not a variable's name", *m.Env)
	}
	return nil
}

// The values of options that come with the request, as those of --network and
// --security of a RUN do with the Dockerfile.
var (
	networks     = []string{instructions.NetworkDefault, instructions.NetworkNone, instructions.NetworkHost}
	entitlements = []string{"network.host", "security.insecure"}
)

// check refuses options that mean nothing.
func (o Options) check() error {
	if o.Network != "" && !slices.Contains(networks, o.Network) {
		return invalid("network %q of a build is none of %s", o.Network, strings.Join(networks, ", "))
	}
	for _, e := range o.Allow {
		if !slices.Contains(entitlements, e) {
			return invalid("the entitlement %q is none of %s", e, strings.Join(entitlements, ", "))
		}
	}
	return nil
}

// checkFilter refuses to skip the cache for a stage that is not there.
func (c *converter) checkFilter() error {
	for _, name := range c.opt.NoCacheFilter {
		if _, ok := c.byName[strings.ToLower(name)]; !ok {
			return plan.At(plan.Location{File: c.opt.Name},
				invalid("no stage is called %q, whose steps are to be executed; there are: %s",
					name, c.stageNames()))
		}
	}
	return nil
}
