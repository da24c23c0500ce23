package registrycmd

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cove/distribution/client/credentials"
	"cove/distribution/distributiontest"
	"cove/distribution/signature/signaturetest"
	"cove/registry/identity/jwttest"
)

// signIn keeps what login would.
func signIn(t *testing.T, host, user, password string) {
	t.Helper()
	who := credentials.Credentials{Username: user, Password: password}
	if err := credentials.Open(nil).Put(t.Context(), host, who); err != nil {
		t.Fatal(err)
	}
}

// Things that differ between two registries, and between two moments.
var (
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)`)
	ids    = regexp.MustCompile(`\b\d{6,}\b`)
	secret = regexp.MustCompile(`cove_[a-z]+_[A-Z2-7]+|\b[A-Za-z0-9_-]{22,}\b`)
	served = regexp.MustCompile(`,"state":\{[^{}]*\}`) // of upstreams: who serves knows it alone
	links  = regexp.MustCompile(`https?://\S+/password\?token=[A-Z2-7]{26}\n`)
	blanks = regexp.MustCompile(` {2,}`)
	// Jobs wait or run at one moment and not at the next.
	queued = regexp.MustCompile(`(?m)^([a-z-]+)  \d  \d  (TIME)? *$`)
)

func settledText(text, address string) string {
	for from, to := range map[string]string{address: "ADDRESS", "(Operator)": "WHO", "admin,": "WHO,"} {
		text = strings.ReplaceAll(text, from, to)
	}
	text = links.ReplaceAllString(text, "LINK")
	text = served.ReplaceAllString(text, "")
	text = times.ReplaceAllString(text, "TIME")
	text = ids.ReplaceAllString(text, "ID")
	text = secret.ReplaceAllString(text, "SECRET")
	for _, who := range []string{` admin\n`, ` admin `, `"by":"admin"`, ` WHO\n`} {
		text = strings.ReplaceAll(text, strings.ReplaceAll(who, `\n`, "\n"), strings.NewReplacer("admin", "WHO", `\n`, "\n").Replace(who))
	}
	text = strings.ReplaceAll(text, `"by":"(Operator)"`, `"by":"WHO"`)
	return queued.ReplaceAllString(blanks.ReplaceAllString(text, "  "), "$1  SOME")
}

// everywhere are commands that are the same on a registry's own machine and from afar:
// those that work, and those that fail. One that begins with "<" has the text up to ">" as
// its input; $1 is the first line that the command before printed.
var everywhere = []string{
	"project create team", "project create team", "project create Te.am!", "project list", "project ls --format json",
	"project public team", "project sparse team", "project sparse team --off", "project private absent",
	"user add alice --random", "user add alice --random", "user list", "user ls --format {{.Name}}",
	"<correct horse battery>user passwd alice --password-stdin", "<short>user passwd alice --password-stdin",
	"user link alice --for 2h", "user link nobody", "user link alice --for 1s", "user link alice --rm", "user link alice --rm",
	"user disable alice nobody", "user enable alice", "user list -q",
	"project member team alice developer", "project member team alice emperor", "member list team",
	"member add team alice maintainer --repository api-*", "member set team nobody guest",
	"member add --all-projects alice auditor", "member list --all-projects --format json", "member rm --all-projects alice",
	"group add backend", "group join backend alice", "group join backend nobody", "group list", "group users backend",
	"member add team backend deployer --group", "role set deployer --right pull,tag:create", "role set king --right fly",
	"role list -q", "role list --format json", "member add team backend deployer --group", "role rm deployer",
	"member rm team backend --group", "role rm deployer", "group leave backend alice", "group rm backend backend",
	"robot create ci --project team --push --expires 90d", "robot create ci --project team", "robot create ci --project absent --pull",
	"robot list --project team", "robot disable robot$team+ci", "robot enable ci --project team", "robot expire ci never --project team",
	"robot rotate ci --project team", "robot create all --pull --repository hub/*", "robot list --format json", "robot rm all nobody",
	"token create alice laptop --right pull", "token create nobody x", "token list alice", "token ls alice --format json",
	"token rm alice laptop phone",
	"access explain alice push team/api-x", "access explain alice push team/x", "access explain alice fly team",
	"access explain  pull team/x --format json", "access explain nobody pull team",
	"quota set team 1GiB", "quota set --default 2GiB", "quota list", "quota show team absent", "quota set team default",
	"quota show team --format json", "quota set --default none", "quota set absent 1GiB", "quota explain team team/app:v1 team/app",
	"quota explain team/absent", "quota recount", "quota recount absent --format json",
	"tag history team/app", "tag history team/app:v1 --format json", "tag history team/absent", "tag deleted team/app",
	"tag restore team/app:gone", "tag rollback team/app", "tag rollback team/app:v1",
	"tag ls team/app", "tag list team/app --order name --match V --format {{.Name}}|{{.Digest}}", "tag ls team/app --label stable -q",
	"tag ls team/absent", "tag ls team/app --order size", "tag ls team/app -n 1 --format json", "tag rm team/app", "tag rm team/app:gone team/app@sha256:x",
	"tag rm team/app:gone team/absent:v1", "tag rm team/app:v1", "tag restore team/app:v1", "tag ls team/app -q",
	"repository describe team/app The-*shop*", "repository show team/app", "repository show team/app --format {{.Description}}",
	"repository describe team/absent x", "repository describe team/app", "<secret>repository describe team/app --file -",
	"repository show team/app --format json", "repository describe team/app x --file y", "repository show absent",
	"repository describe team/app \x01", "tag ls team/app --order size -q", "tag ls team/app --order age",
	"repository ls team", "repository ls team --match APP -q", "repository list absent", "repository rm team/absent", "repository rm team/app",
	"repository ls team", "tag ls team/app", "tag restore team/app", "repository ls team --format {{.Name}}|{{.Tags.Value}}",
	"repository rename team/app team/web --keep 30d", "repository former team", "repository former team --format {{.Name}}>{{.Now}}",
	"repository mv team/absent team/x", "repository rename team/web absent/x", "repository rename team/web team/app --keep 0d",
	"repository release team team/app", "repository rename team/app team/x --keep soon", "project rename team crew --keep 1d",
	"repository release crew team absent", "project mv crew team --keep 0d", "project rename absent x", "repository former absent",
	"immutable add team --tags v*", "immutable rm team $1", "immutable rm team 7", "immutable ls team", "immutable ls absent",
	"immutable add team --tags {",
	"label create stable", "label create stable", "label create reviewed --project team --color #1A7F37 --description Looked-at",
	"label create x --color red", "label create x --project absent", "label ls", "label ls --project team --format json", "label ls --project absent",
	"label set reviewed --project team --name checked", "label set reviewed --project team --name checked", "label set checked",
	"label set stable --description good --color #abcdef", "label add team/app:v1 stable checked", "label add team/app:v1 checked",
	"label add team/app:v1 stable --global", "label add team/app:v1 absent", "label add team/app:gone stable", "label add team/app stable",
	"label remove team/app:v1 checked", "label remove team/app:v1 checked", "label remove team/app:v1 stable --global",
	"label rm checked absent --project team", "label restore checked --project team", "label restore checked --project team",
	"label rm checked --project team", "label rm stable", "label restore absent", "label ls -q",
	"retention add team --keep latestPushedK=1 --tags build-*", "retention add team --keep always", "retention add team --keep odd", "retention ls team",
	"retention add team --keep always --label stable --label re* --untagged", "retention add team --keep always --label x --except-labels",
	"retention add team --keep always --except-labels",
	"retention schedule team @daily --zone Europe/Berlin", "retention schedule team nightly", "retention ls team --format json",
	"retention preview team", "retention run team", "retention rm team 7", "retention schedule team never", "retention ls absent",
	"<secret>endpoint add far registry.example.com --user admin --password-stdin", "endpoint add far registry.example.com",
	"endpoint set far registry.example.com:8443", "endpoint ls", "endpoint ls --format json", "endpoint rm absent",
	"replication create all --push far --repositories team/** --tags v* --flatten 1 --namespace copies --rate 10MB",
	"replication create all --push far", "replication create x --push near", "replication create x", "replication ls",
	"replication show all", "replication show all --format json", "replication set all --push far --schedule @daily",
	"replication disable all", "replication enable all absent", "replication ls -q", "replication runs", "replication runs absent",
	"replication tags 7", "replication stop 7", "replication stop first", "replication retry 7", "replication rm all", "endpoint rm far",
	"<token>proxy create hub docker.io --public --user me --password-stdin --repository library/* --fresh 0s --keep 720h --rate 10MB",
	"proxy create lab nowhere/^", "proxy list", "proxy ls --format json", "proxy rm hub", "proxy rm hub",
	"<key>webhook create team ci https://hooks.example.com/x --secret-stdin --event push_artifact", "webhook create team ci ftp://x",
	"webhook ls team", "webhook ls team --format json", "webhook set team ci --enabled=false --name cd", "webhook set team ci --url x",
	"webhook deliveries team cd", "webhook attempts team cd", "webhook stop team cd 7", "webhook retry team cd x", "webhook rm team cd",
	"webhook rm team cd", "webhook ls absent",
	"scan show team/app:v1", "scan show team/absent:v1", "scan show team/app", "scan run team/absent:v1", "scan list", "scan list --project absent",
	"scan summary", "scan summary --format json", "scan cve CVE-2021-44228", "scan db list", "scan db rm absent", "<nothing>scan db import -",
	"<key>scan scanner add corp https://127.0.0.1:1/x/ --auth api-key --credential-stdin --again 7", "scan scanner add corp https://127.0.0.1:1",
	"scan scanner add odd ftp://x", "scan scanner ls", "scan scanner ls --format json", "scan scanner test corp", "scan scanner test absent",
	"scan gate set team --scanner corp", "scan gate set team --scanner absent", "scan scanner rm corp", "scan gate set team --scanner default",
	"scan scanner set corp https://127.0.0.1:1/x --auth api-key --default", "scan scanner set corp https://127.0.0.1:2", "scan scanner rm corp absent",
	"scan gate set team --severity critical --unscanned allow", "scan gate set team --severity bad", "scan gate show team absent",
	"scan gate set team --severity none --sbom spdx --scan-on-push=false", "scan gate show team --format json",
	"scan allow add CVE-2024-1 --project team --expires 2100-01-01T00:00:00Z --reason unreachable", "scan allow list --project team",
	"scan allow add CVE-2024-2 --all-projects", "scan allow list --all-projects --format json", "scan allow rm CVE-2024-1 --project team",
	"scan allow list", "scan allow rm CVE-2024-1 --project absent",
	"job ls --kind webhook", "job ls --state odd", "job ls --project absent --format json", "job show 7", "job show first", "job stop 7",
	"job retry 7", "job schedules", "job ls -n 0", "job queues", "job pause absent", "job pause webhook", "job resume webhook", "job pause",
	"<PEM>sign key add team - --name release", "<PEM>sign key add team - --name again", "<nothing>sign key add team - --name x",
	"sign key ls team", "sign key ls team --format json", "sign policy set team --required", "sign policy show team absent",
	"sign policy show team --format json", "sign list team/app:v1", "sign ls team/app:v1 --format json", "sign list team/app",
	"sign list team/absent:v1", "sign key rm team release absent", "sign policy set team --required=false",
	"<JWKS>trust create ci --project team --push --issuer https://ci.test --audience us --claim sub=a/* --keys -",
	"<JWKS>trust create ci --project team --push --issuer https://ci.test --audience us --claim sub=a/* --keys -",
	"<JWKS>trust create nodes --pull --issuer https://k8s.test --audience us --claim sub=** --expires 2100-01-01T00:00:00Z --keys -",
	"trust create x --project absent --pull --issuer https://ci.test --audience us --claim sub=**", "trust create x --pull --issuer http://ci.test",
	"trust ls --project team", "trust list --format json", "trust set ci --project team --claim ref=main --repository app",
	"trust set absent --project team --pull", "trust disable trust$team+ci absent", "trust list --project team --format json",
	"<no-token>trust check - --project team", "trust enable ci --project team", "trust rm nodes absent", "trust ls",
	"audit list --action project.create --format {{.Action}}|{{.Object}}", "audit list --since yesterday", "audit ls --user nobody", "audit forwards", "audit forwards --format {{.Receiver}}",
	"user rm alice alice", "project rm team", "project rm absent", "project rm ..", "project restore team", "project restore absent",
}

// TestServersAreAsRoots runs the same commands on a registry's own machine and, on another
// registry, from afar: what they print, how they fail, and their exit codes are the same.
func TestServersAreAsRoots(t *testing.T) {
	t.Parallel()
	var said [2][]string
	pem, jwks := signaturetest.New(t, "ecdsa").PEM, jwttest.Start(t).Set()
	for i, p := range []*process{serve(t, t.TempDir(), "--tls=off"), serve(t, t.TempDir(), "--tls=off")} {
		signIn(t, p.Address, "admin", testPassword)
		p.do("POST", "/api/v1/projects", []byte(`{"name":"team"}`), "Content-Type", "application/json")
		p.pushImage("team/app", "v1", distributiontest.NewImage(t, 1, 3000))
		out, errs, code := here(t, "", "tag", "space", "team/app:v1", "--server", "http://"+p.Address)
		if code != 0 && !strings.Contains(errs, "no tar") {
			t.Errorf("tag space: %d\n%s%s", code, out, errs)
		}
		if _, errs, code := here(t, "", "tag", "space", "team/app:v1", "--root", p.root); code != 1 || !strings.Contains(errs, "read by a server") {
			t.Errorf("tag space on the root: %d\n%s", code, errs)
		}
		door := [][]string{{"--root", p.root}, {"--server", "http://" + p.Address}}[i]
		first := ""
		for _, line := range everywhere {
			input, line := "", line
			if rest, ok := strings.CutPrefix(line, "<"); ok {
				input, line, _ = strings.Cut(rest, ">")
				input = strings.NewReplacer("PEM", string(pem), "JWKS", jwks).Replace(input)
			}
			args := strings.Split(strings.ReplaceAll(line, "$1", first), " ")
			out, errs, code := here(t, input, append(args, door...)...)
			if first, _, _ = strings.Cut(out, "\n"); code > 1 && code != codeUsage {
				t.Errorf("registry %s: exit code %d", line, code)
			}
			said[i] = append(said[i], settledText(out+errs, p.Address)+"exit "+string(rune('0'+min(code, 2))))
		}
	}
	for i, line := range everywhere {
		if said[0][i] != said[1][i] {
			t.Errorf("registry %s\nby --root:\n%s\nby --server:\n%s", line, said[0][i], said[1][i])
		}
	}
}

// TestServersAndWhoAsks: certificates, credentials and rights are those of pulls.
func TestServersAndWhoAsks(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	away := func(want string, code int, env []string, args ...string) {
		t.Helper()
		cmd := commandLine(t.Context(), append(args, "--server", "https://"+p.Address)...)
		cmd.Env = append(slices.Clone(cmd.Env), env...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
			t.Errorf("registry %s: %v, want %d and %q\n%s", strings.Join(args, " "), err, code, want, out)
		}
	}
	ca := "SSL_CERT_FILE=" + filepath.Join(p.root, "tls", "ca.crt")
	away("certificate", 1, nil, "user", "list")
	away("sign in with login "+p.Address, 1, []string{ca}, "user", "list")
	away("", 0, []string{ca}, "project", "list") // those that anyone sees
	signIn(t, p.Address, "admin", "wrong horse")
	away("sign in with login", 1, []string{ca}, "user", "list")
	signIn(t, p.Address, "admin", testPassword)
	away("admin   yes", 0, []string{ca}, "user", "list")
	away("exclude each other", 125, []string{ca}, "user", "list", "--root", p.root)
	if _, errs, code := here(t, "", "user", "list", "--server", "https://"+p.Address+"/path"); code != 125 || !strings.Contains(errs, "want https://HOST[:PORT]") {
		t.Errorf("an address with a path: %d %s", code, errs)
	}
	here(t, testPassword, "user", "add", "ann", "--password-stdin", "--root", p.root)
	signIn(t, p.Address, "ann", testPassword)
	away("may not", 1, []string{ca}, "user", "list")
	away("no: no role", 0, []string{ca}, "access", "explain", "ann", "pull", "absent/x")
}
