package trust

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/identity/jwt"
	"cove/registry/metadata/people"
	"cove/registry/robots"
)

// maxRules bounds the rules of one issuer.
const maxRules = 10_000

// taking is a rule as tokens are held to it.
type taking struct {
	account people.User
	Condition
}

// of are the rules of an issuer, as they were a moment ago.
func (r *Rules) of(ctx context.Context, issuer string) ([]taking, error) {
	return r.known.Get(issuer, func() ([]taking, error) {
		rows, err := r.db.TrustRulesOf(ctx, issuer, maxRules)
		if err != nil {
			return nil, err
		}
		var rules []taking
		for _, row := range rows {
			c, err := condition(row)
			if err != nil {
				return nil, err
			}
			rules = append(rules, taking{row.User, c})
		}
		return rules, nil
	}, func(rules []taking) bool { return len(rules) > 0 })
}

// Accept implements auth.Trust. A rule that is new need not wait until what is remembered
// has ended.
func (r *Rules) Accept(ctx context.Context, token string) (accepted []auth.Accepted, err error) {
	issuer := jwt.IssuerOf(token)
	if issuer == "" {
		return nil, nil
	}
	for range 2 {
		var rules []taking
		if rules, err = r.of(ctx, issuer); err != nil || len(rules) == 0 {
			return nil, err
		}
		if accepted, err = r.accept(ctx, rules, issuer, token); err == nil {
			break
		}
		r.known.Forget(issuer)
	}
	return accepted, err
}

func (r *Rules) accept(
	ctx context.Context, rules []taking, issuer, token string,
) (accepted []auth.Accepted, err error) {
	look := looking{rules: r, token: token, seen: map[jwt.Source]verified{}}
	for _, rule := range rules {
		if rule.account.Disabled || rule.account.Expired(r.now()) {
			continue
		}
		t, err := look.take(ctx, rule.Condition)
		switch {
		case err == nil:
			accepted = append(accepted, auth.Accepted{Account: rule.account, Subject: t.Subject, Until: t.Expires})
		case !errors.Is(err, errdefs.ErrUnauthenticated):
			look.failed = err // another rule may have the keys
		}
	}
	switch {
	case len(accepted) > 0:
		return accepted, nil
	case look.failed != nil:
		return nil, look.failed
	case look.signed:
		// What the rules ask for is not for strangers to hear, who may have a token of
		// the same issuer.
		return nil, errdefs.Errorf(errdefs.ErrUnauthenticated, "the token is signed by %s, and no rule takes it: "+
			"is it for this audience, and still good? An administrator sees why with: registry trust check", issuer)
	}
	return nil, errdefs.Errorf(errdefs.ErrUnauthenticated, "wrong user name or password")
}

// looking is a token that is held to several rules.
type looking struct {
	rules  *Rules
	token  string
	seen   map[jwt.Source]verified
	signed bool  // its signature is right by the keys of a rule
	failed error // an issuer could not be asked
}

type verified struct {
	token jwt.Token
	err   error
}

// take is nil if a condition takes the token, which it returns.
func (l *looking) take(ctx context.Context, c Condition) (jwt.Token, error) {
	v, ok := l.seen[c.source()]
	if !ok {
		v.token, v.err = l.rules.keys.Verify(ctx, c.source(), l.token)
		l.seen[c.source()] = v
	}
	if v.err != nil {
		return v.token, v.err
	}
	l.signed = true
	if err := v.token.For(c.Audience); err != nil {
		return v.token, err
	}
	if err := v.token.Current(l.rules.now()); err != nil {
		return v.token, err
	}
	return v.token, v.token.Claims.Meets(c.Claims)
}

// Finding says what a rule makes of a token.
type Finding struct {
	Rule   Rule
	Taken  bool
	Reason string // why not; "" if it takes it
}

// Check says what each rule of a project, or, when that is "", of the registry makes of a
// token, for who may see them. It signs nobody in.
func (r *Rules) Check(ctx context.Context, by auth.Caller, project, token string) (found []Finding, err error) {
	all, _, err := r.List(ctx, by, robots.Query{Project: project, N: maxRules})
	if err != nil {
		return nil, err
	}
	look := looking{rules: r, token: token, seen: map[jwt.Source]verified{}}
	for _, rule := range all {
		f := Finding{Rule: rule}
		switch err := r.checkOne(ctx, &look, rule); {
		case err == nil:
			f.Taken = true
		case ctx.Err() != nil:
			return nil, ctx.Err()
		default:
			f.Reason = err.Error()
		}
		found = append(found, f)
	}
	return found, nil
}

func (r *Rules) checkOne(ctx context.Context, look *looking, rule Rule) error {
	switch issuer := jwt.IssuerOf(look.token); {
	case rule.Disabled:
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "the rule is disabled")
	case rule.Expired(r.now()):
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "the rule has expired")
	case issuer == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "that is no token: it has no three parts with a claim iss")
	case issuer != rule.Issuer:
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "the token is of the issuer %.200q", issuer)
	}
	_, err := look.take(ctx, rule.Condition)
	return err
}
