package builder

import (
	"archive/tar"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cove/internal/gittest"
)

// datedTar is an archive whose files are of these seconds.
func datedTar(t *testing.T, files map[string]string, seconds ...int64) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for name, body := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), ModTime: time.Unix(seconds[0], 0)}
		if len(seconds) > 1 {
			seconds = seconds[1:]
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestSourceDate: SOURCE_DATE_EPOCH names the source whose time it is, in the arguments or
// in the Dockerfile, and a stage that declares it sees seconds.
func TestSourceDate(t *testing.T) {
	t.Parallel()
	const modified, newest, committed = 1_400_000_000, 1_300_000_000, 1_500_000_000
	df := "ARG SOURCE_DATE_EPOCH\nFROM base\nARG SOURCE_DATE_EPOCH\nCOPY f /f\nRUN env out\n"
	in := strings.Replace(df, "EPOCH\n", "EPOCH=context\n", 1)
	stages := map[string]string{
		"url": "ADD $SRC/dated /x", "archive": "ADD $SRC/archive /x", "plain": "ADD $SRC/plain /x",
		"git": "ARG REPO\nADD $REPO#main /", "run": "RUN write a b", "two": "ADD $SRC/a /x\nADD $SRC/b /y", "here": "ADD f /f",
	}
	repo := gittest.New(t)
	repo.Commit(map[string]string{"Dockerfile": in, "f": "F", "sub/Dockerfile": df, "sub/f": "F"})
	files := map[string]string{"Dockerfile": in, "f": "F"}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/dated", "/dated.tar":
			w.Header().Set("Last-Modified", time.Unix(modified, 0).UTC().Format(http.TimeFormat))
		case "/plain":
			_, _ = w.Write([]byte("plain"))
			return
		}
		_, _ = w.Write(datedTar(t, files, newest, newest-5))
	}))
	t.Cleanup(srv.Close)
	for name, tc := range map[string]struct {
		context, value string // a Dockerfile's own value, if ""
		want           int64  // 0: none
		fails          string
	}{
		"a commit":                  {context: repo.URL, want: committed},
		"a directory of a commit":   {context: repo.URL + "#main:sub", value: "context", want: committed},
		"a number, of a commit":     {context: repo.URL, value: "77", want: 77},
		"nothing, of a commit":      {context: repo.URL, value: "none"},
		"Last-Modified":             {context: srv.URL + "/dated.tar", want: modified},
		"the newest in an archive":  {context: srv.URL + "/x.tar", want: newest},
		"an archive on stdin":       {context: "-", want: newest},
		"a directory":               {},
		"a context that has a name": {value: "named", want: committed},
		"one that is an image":      {value: "image"},
		"one that is a directory":   {value: "beside"},
		"a stage of a URL":          {value: "url", want: modified},
		"a stage, in other letters": {value: "URL", want: modified},
		"a stage of an archive":     {value: "archive", want: newest},
		"a stage of a file":         {value: "plain"},
		"a stage of a repository":   {value: "git", want: committed},
		"a stage that runs":         {value: "run", fails: "one ADD of a URL or repository"},
		"a stage of two":            {value: "two", fails: "one ADD of a URL or repository"},
		"a stage of the context":    {value: "here", fails: "one ADD of a URL or repository"},
		"what there is not":         {value: "contxt", fails: "no build context or stage of that name; context means the context"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for name, body := range files {
				w.write(map[string]string{name: body})
			}
			if _, known := stages[strings.ToLower(tc.value)]; known {
				text := "ARG SRC REPO SOURCE_DATE_EPOCH\nFROM scratch AS " + strings.ToLower(tc.value) + "\nARG SRC\n" + stages[strings.ToLower(tc.value)] + "\n" + df
				if err := os.WriteFile(filepath.Join(w.dir, "Dockerfile"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := w.build("", func(r *Request) {
				r.Dockerfile, r.Stdin, r.Network = "", nil, "host"
				if tc.context == "-" {
					r.Stdin = bytes.NewReader(datedTar(t, files, newest-5, newest))
				}
				if tc.context != "" {
					r.Context = tc.context
				}
				r.BuildArgs = map[string]string{"SRC": srv.URL, "REPO": repo.URL}
				if tc.value != "" {
					r.BuildArgs["SOURCE_DATE_EPOCH"] = strings.TrimSuffix(tc.value, "none")
				}
				r.Contexts = map[string]string{"named": repo.URL, "image": "docker-image://base", "beside": w.dir}
			})
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("%v, want %q", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			seconds := ""
			if tc.want > 0 {
				seconds = strconv.FormatInt(tc.want, 10)
			}
			if got := b.files["out"]; !strings.Contains(got+"\n", "SOURCE_DATE_EPOCH="+seconds+"\n") {
				t.Errorf("a command sees %q, want %s", got, seconds)
			}
			if got := b.times["f"].Unix(); tc.want > 0 && got != tc.want || b.config.Created.Unix() == tc.want && tc.want == 0 {
				t.Errorf("the file is of %d, the image of %d, want %d", got, b.config.Created.Unix(), tc.want)
			}
		})
	}
}
