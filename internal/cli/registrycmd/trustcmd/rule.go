package trustcmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/api/rest"
)

// ruleFlags say what a rule is.
type ruleFlags struct {
	issuer, audience, ca, keys, expires, description string
	claims, rights, repositories                     []string
	pull, push, del                                  bool
}

func (r *ruleFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.issuer, "issuer", "", "who signs the tokens, as their claim iss has it: https://…")
	f.StringVar(&r.audience, "audience", "", "for whom the tokens are, as their claim aud has it")
	f.StringArrayVar(&r.claims, "claim", nil, "NAME=VALUE that tokens must have; * is any text without / and :, ** any text")
	f.StringVar(&r.ca, "ca", "", "file with certificates (PEM) that the issuer's server is believed by")
	f.StringVar(&r.keys, "keys", "", "file with the issuer's key set (JWKS), or -; nobody is asked then")
	f.BoolVar(&r.pull, "pull", false, "they pull")
	f.BoolVar(&r.push, "push", false, "they push and pull")
	f.BoolVar(&r.del, "delete", false, "they delete tags and artifacts")
	f.StringSliceVar(&r.rights, "right", nil, "they have this right, as tag:list (see registry role list)")
	f.StringSliceVar(&r.repositories, "repository", nil,
		"only in repositories of this name, within the project or, without one, in full; * stands for any text")
	f.StringVar(&r.expires, "expires", "never", "when the rule ends: 90d, 12h, a time, or never")
	f.StringVar(&r.description, "description", "", "what it is for")
}

// onto writes what was given onto a rule.
func (r *ruleFlags) onto(cmd *cobra.Command, rule *access.TrustChange) (err error) {
	given := cmd.Flags().Changed
	for flag, to := range map[string]struct{ from, to *string }{
		"issuer": {&r.issuer, &rule.Issuer}, "audience": {&r.audience, &rule.Audience},
		"description": {&r.description, &rule.Description},
	} {
		if given(flag) {
			*to.to = *to.from
		}
	}
	if given("claim") {
		if rule.Claims, err = conditions(r.claims); err != nil {
			return command.Misused(cmd, err)
		}
	}
	if words := r.words(); len(words) > 0 {
		rule.Rights = words
	}
	if len(rule.Rights) == 0 {
		return command.Misused(cmd, errors.New("say what they may: --pull, --push, --delete or --right"))
	}
	if given("repository") {
		rule.Repositories = r.repositories
	}
	if given("expires") {
		at, err := until(cmd, r.expires)
		if err != nil {
			return err
		}
		rule.ExpiresAt = rest.Moment(at)
	}
	return r.found(cmd, rule)
}

// found reads how the issuer's keys are found.
func (r *ruleFlags) found(cmd *cobra.Command, rule *access.TrustChange) (err error) {
	if cmd.Flags().Changed("ca") {
		if rule.CA, err = content(cmd, r.ca); err != nil {
			return err
		}
	}
	if cmd.Flags().Changed("keys") {
		rule.KeySet, err = content(cmd, r.keys)
	}
	return err
}

func (r *ruleFlags) words() []string {
	words := append([]string{}, r.rights...)
	for word, given := range map[string]bool{"pull": r.pull, "push": r.push, "delete": r.del} {
		if given {
			words = append(words, word)
		}
	}
	return words
}

// conditions reads claims, as NAME=VALUE.
func conditions(claims []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, text := range claims {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("--claim %q: write NAME=VALUE, as repository=octo/app", text)
		}
		all[name] = append(all[name], value)
	}
	return all, nil
}
