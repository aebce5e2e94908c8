package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/crossfade-io/crossfade/testutil/servers"
)

// contest is one server with its buckets, on which tools compete.
type contest struct {
	options
	dir    string
	server *servers.Server
	seeder *seeder
}

// contests measures the backfills on one versitygw.
func contests(ctx context.Context, o options, parts map[string]bool, rep *report) (err error) {
	if err := o.absolute(); err != nil {
		return err
	}
	dir, err := dataDir(o)
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
	}()
	rep.Options.Dir = filepath.Dir(dir)
	server, err := servers.Versitygw(ctx, servers.Options{Dir: dir, TLS: !o.http})
	if err != nil {
		return err
	}
	defer func() {
		if serr := server.Stop(); err == nil {
			err = serr
		}
	}()
	client, err := server.HTTPClient()
	if err != nil {
		return err
	}
	c := &contest{options: o, dir: dir, server: server, seeder: newSeeder(server.URL, client)}
	for _, s := range []struct {
		name    string
		objects int
		size    int64
		into    **scenario
	}{{"small", o.objects, o.size, &rep.Small}, {"large", o.large, o.largeSize, &rep.Large}} {
		if !parts[s.name] {
			continue
		}
		progress("seeding %d objects of %d bytes", s.objects, s.size)
		if err := c.seeder.seed(ctx, s.name, s.objects, s.size); err != nil {
			return err
		}
		if *s.into, err = c.scenario(ctx, s.name, s.objects, s.size); err != nil {
			return err
		}
		if err := c.drop(s.name); err != nil {
			return err
		}
	}
	return nil
}

// scenario lets the tools copy one bucket, in alternating order, each to an
// empty bucket of its own, and then again to where everything is already.
func (c *contest) scenario(ctx context.Context, source string, objects int, size int64) (*scenario, error) {
	s := &scenario{Objects: objects, Bytes: int64(objects) * size}
	for round := range c.rounds {
		tools := c.tools()
		if round%2 == 1 {
			tools[0], tools[1] = tools[1], tools[0]
		}
		for _, t := range tools {
			target := fmt.Sprintf("%s-%s-%d", source, t.name, round)
			if err := c.seeder.create(ctx, target); err != nil {
				return nil, err
			}
			for _, again := range []bool{false, true} {
				r, err := c.once(ctx, t, source, target)
				if err != nil {
					return nil, err
				}
				progress("round %d %-9s %s again=%-5v %6.2f s, %6.2f CPU s, %4.0f MiB", round+1, t.name, source, again, r.Seconds, r.CPU, r.RSS)
				s.add(t.name, again, r)
			}
			if t.name == "crossfade" && round == c.rounds-1 {
				if err := c.check(ctx, source, target); err != nil {
					return nil, err
				}
				s.Checked = true
			}
			if err := c.drop(target); err != nil {
				return nil, err
			}
		}
	}
	s.compare()
	return s, nil
}

// tool is a competitor.
type tool struct {
	name string
	argv func(source, target string) []string
	env  []string
	// check judges what the tool printed.
	check func(out []byte) error
}

func (c *contest) tools() []tool {
	n := strconv.Itoa(c.concurrency)
	return []tool{
		{
			name: "crossfade",
			argv: func(source, target string) []string {
				return []string{c.crossfade, "backfill", "s3://" + source, "s3://" + target, "--concurrency", n, "--quiet", "--json"}
			},
			env: []string{
				"AWS_ACCESS_KEY_ID=" + servers.S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + servers.S3SecretKey,
				"AWS_REGION=" + servers.S3Region, "AWS_ENDPOINT_URL_S3=" + c.server.URL,
			},
			check: func(out []byte) error {
				var sum struct{ Failed int64 }
				if err := json.Unmarshal(out, &sum); err != nil {
					return err
				}
				if sum.Failed > 0 {
					return fmt.Errorf("crossfade failed on %d objects", sum.Failed)
				}
				return nil
			},
		},
		{
			name: "rclone",
			argv: func(source, target string) []string {
				return []string{c.rclone, "sync", "src:" + source, "dst:" + target, "--transfers", n, "--checkers", n}
			},
			env: c.rcloneEnv(), check: func([]byte) error { return nil },
		},
	}
}

// rcloneEnv configures two remotes rather than one: rclone copies within one
// remote on the server, which no move between clouds can do.
func (c *contest) rcloneEnv() []string {
	env := []string{"RCLONE_CONFIG=" + os.DevNull}
	for _, remote := range []string{"SRC", "DST"} {
		p := "RCLONE_CONFIG_" + remote + "_"
		env = append(env, p+"TYPE=s3", p+"PROVIDER=Other", p+"ENDPOINT="+c.server.URL, p+"REGION="+servers.S3Region,
			p+"ACCESS_KEY_ID="+servers.S3AccessKey, p+"SECRET_ACCESS_KEY="+servers.S3SecretKey, p+"NO_CHECK_BUCKET=true")
	}
	return env
}

// trust makes a tool believe the server's certificate, whatever the caller's
// environment says of others.
func (c *contest) trust() []string {
	if c.server.CA == "" {
		return nil
	}
	return []string{"SSL_CERT_FILE=" + c.server.CA, "AWS_CA_BUNDLE=" + c.server.CA}
}

// once runs a tool once.
func (c *contest) once(ctx context.Context, t tool, source, target string) (result, error) {
	before := cpuOf(c.server.PID())
	u, out, err := measured(ctx, t.argv(source, target), append(t.env, c.trust()...), filepath.Join(c.dir, t.name+".log"))
	if err != nil {
		return result{}, err
	}
	return result{usage: u, ServerCPU: cpuOf(c.server.PID()) - before}, t.check(out)
}

// check has rclone compare every byte of what crossfade copied.
func (c *contest) check(ctx context.Context, source, target string) error {
	argv := []string{c.rclone, "check", "--download", "src:" + source, "dst:" + target, "--checkers", "8"}
	if _, _, err := measured(ctx, argv, append(c.rcloneEnv(), c.trust()...), filepath.Join(c.dir, "check.log")); err != nil {
		return fmt.Errorf("crossfade's copy is not equal: %w", err)
	}
	return nil
}

// drop removes a bucket with its objects. versitygw keeps them as files.
func (c *contest) drop(bucket string) error {
	return os.RemoveAll(filepath.Join(c.server.Data, bucket))
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
