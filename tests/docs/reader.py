"""What a reader knows and does that stands on no page: how commands are ended, what is done in between, what to look for in what
they print; and the one list of what no test types. run_commands.py fails for what stands here and on no page any more.

A command is named as Item.words has it: on one line, without its comment.
"""
import json
import shutil
import signal

from session import Failure, wait_until

OPERATING, GUIDE = 'docs/operating.md', 'docs/guide-clients.md'

# Machines of a network stand for this one here. Ports are replaced by free ones (run_commands.py).
ADDRESSES = {'10.0.0.4:': '127.0.0.1:', **{f'10.0.0.{machine}:': f'127.10.0.{machine}:' for machine in (1, 2, 3)}}

# What a program takes for itself where the page does not say: said, so that it can be replaced by a free port.
# (a command that begins so, has this and not that) gets this besides.
DEFAULTS = [
    ('carillon serve', '', '--listen', '--listen 127.0.0.1:7411'),
    ('carillon serve', '', '--http', '--http 127.0.0.1:7480'),
    ('carillon serve', '--cluster', '--etcd', '--etcd http://127.0.0.1:2379'),
    ('carillon demo', '', '--listen', '--listen 127.0.0.1:7490'),
    ('carillon cluster recover-partition', '', '--etcd', '--etcd http://127.0.0.1:2379'),
    ('etcd', '', '--listen-peer-urls', '--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls '
     'http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380'),
]

# Commands that do not end by themselves: which, and what shows that they work. A server stays until the page's
# end, or until another one is started on its directory or its port; all else is ended by Ctrl-C.
UNTIL_IT_ANSWERS = None
LASTING = [
    (r'(build/)?carillon serve ', UNTIL_IT_ANSWERS),
    (r'etcd --data-dir ', UNTIL_IT_ANSWERS),
    (r'build/carillon demo ', r'(?s)the hunt +http.*RPC on '),
    (r'\./dev cluster \d$', 'In another terminal'),
    (r'build/carillon cluster watch', r'\bdog\b'),
    (r'curl -N ', r'(?m)^data: ?\{'),
    (r'openssl s_client ', 'alert certificate required'),
]

# What ./dev setup does not install: without that program the command is not typed.
NEEDS = {'openssl s_client -connect 10.0.0.1:7413 -CAfile nodes.pem': 'stunnel'}

# What is typed smaller than it is printed, because other tests do the same at length.
SMALLER = {
    './dev simulate --seeds 100': './dev simulate --seeds 10',  # simulation:P1toP7HoldUnderFaults has 2,000.
    './dev simulate --cluster --seeds 100': './dev simulate --cluster --seeds 10',  # simulation:P1toP8HoldInClusters has 600.
}

# What a page says of what a command prints, and its exit code. A command that stands on the page several times has a line for each
# time; the last one holds for all that follow.
PUBLISH_NUMBERED = "curl -d '{\"text\": \"hi\"}' 'http://127.0.0.1:7480/events/player/Ada?type=hello&producer=me&sequence=1'"
CPP_CLIENT = """printf '{"text":"one"}\\n{"text":"two"}\\n' | build/cpp_client 127.0.0.1:7411 player/ana arena-1/1 2"""
RECOVER = 'build/carillon cluster recover-partition 3 --from bee'
SHOWS = [
    ('README.md', './dev demo', r'(?s)treasure hunt +http://.*console +http://.*everything is known already', 0),
    ('README.md', './dev cluster 3 -- build/carillon cluster status', r'in sync with it +behind by', 0),
    ('README.md', './dev cluster 3 -- build/carillon cluster drain cat --wait', 'Node cat is drained', 0),
    (GUIDE, PUBLISH_NUMBERED, '"duplicate":false', 0),
    (GUIDE, PUBLISH_NUMBERED, '"duplicate":true', 0),
    (GUIDE, "printf 'one\\ntwo\\n' | examples/python/follow_and_publish.py ws://127.0.0.1:7480/ws player/bo bo/script 2",
     '1 one\n2 two\n', 0),
    ('clients/cpp/README.md', CPP_CLIENT, '1 line {"text":"one"}\n2 line {"text":"two"}\n', 0),
    ('docs/guide-behaviours.md', 'build/carillon tail player/ana --no-follow', '"times": ?1', 0),
    ('docs/model/README.md', './dev model --trail RESTART_KEEPS_EPOCH', 'P1|P2|P8', 0),
    (OPERATING, 'build/carillon cluster status', r'in sync with it +behind by', 0),
    (OPERATING, 'build/carillon cluster drain dog --wait', 'Node dog is drained', 0),
    (OPERATING, 'build/carillon cluster drain bee --primaries --wait', 'Node bee is drained', 0),
    (OPERATING, RECOVER, '--accept-loss says that this is meant', 2),
    (OPERATING, RECOVER + ' --accept-loss', 'begins again from node bee', 0),
    ('docs/security.md', 'carillon token inspect ana.token --keys keys.pem', 'ana', 0),
    ('docs/security.md', 'carillon tail player/ana --no-follow --tls --token-file ana.token', '"text": ?"hi"', 0),
    ('docs/security.md', 'curl --cacert tls.crt -H "Authorization: Bearer $(cat ana.token)" https://localhost:7480/events/player/ana',
     '"last":1', 0),
    ('examples/hunt/README.md', 'build/carillon tail player/Ada --no-follow', r'"offset":', 0),
]

# --- What is done between two commands, because the page's text says so. Each is given the page's run.


def stop_dog(run):
    run.stop('dog')


def ant_alone_had_everything(run):
    """Both others are stopped, ant goes on alone, loses its disk, and the others come back."""
    for name in ('bee', 'cat'):
        run.stop(name)
    wait_until(lambda: partition(run, 3)['in_sync'] == ['ant'], 'ant alone in sync with partition 3')
    run.stop('ant', signal.SIGKILL)
    shutil.rmtree(run.directory / 'ant')
    for name in ('bee', 'cat'):
        run.start_again(name)
    run.session.run(run.replaced('export CARILLON_CONNECT=127.0.0.1:7412'))
    wait_until(lambda: 'ant' not in [node['node'] for node in cluster(run)['nodes']], 'the end of ant\'s lease')


def cluster(run):
    code, printed = run.session.run('carillon cluster status --json')
    if code != 0:
        raise Failure(printed)
    return json.loads(printed)


def partition(run, number):
    return next(one for one in cluster(run)['partitions'] if one['partition'] == number)


def stop_cat(run):
    run.stop('cat')


def begin_again_with_etcd_alone(run):
    """Nodes with a secret are another cluster: those before them had none, and one of their disks is lost."""
    for server in list(run.servers):
        run.stop(server)
    for name in ('etcd', 'ant', 'bee', 'cat'):
        shutil.rmtree(run.directory / name, ignore_errors=True)
    run.start_again('etcd')


def stunnel_on_ant(run):
    """docs/stunnel.conf as it is, with the certificates that the page has just made."""
    settings = run.replaced((run.directory / 'docs/stunnel.conf').read_text(encoding='utf-8'))
    (run.directory / 'stunnel.conf').write_text(settings.replace('/etc/carillon/', f'{run.directory}/'), encoding='utf-8')
    stunnel = run.session.start('stunnel stunnel.conf')

    def is_configured():
        stunnel.check_it_runs()
        return 'Configuration successful' in stunnel.output
    wait_until(is_configured, 'configured: stunnel')


BEFORE = {
    (OPERATING, 'build/carillon cluster drain bee --primaries --wait'): stop_dog,
    (OPERATING, 'build/carillon cluster recover-partition 3 --from bee'): ant_alone_had_everything,
    (OPERATING, 'cp -a ./cat ./cat-backup'): stop_cat,
    (OPERATING, '(umask 077; openssl rand -hex 32 >./secret)'): begin_again_with_etcd_alone,
    (OPERATING, 'openssl s_client -connect 10.0.0.1:7413 -CAfile nodes.pem'): stunnel_on_ant,
}

# --- What no test types, and why. What is Carillon's of it is held against --help.

BUILT = 'what is tested here has been built'
MINUTES = 'takes minutes'
MACHINE = 'changes the machine: packages and services are not a test\'s to touch'
ITSELF = 'it is the run that this test is part of'
NOT_TYPED = [
    ('README.md', './dev test', ITSELF),
    ('README.md', './dev bench', 'measures for half a minute what a busy machine cannot show; bench:… runs the job small'),
    ('docs/scale.md', './dev bench', 'as in README.md'),
    ('bench/README.md', 'carillon bench sockets --against bench/node_ws/run --part idle --part broadcast --part latency --rounds 21',
     'measures for minutes, and npm installs a package'),
    ('docs/guide-behaviours.md', './dev test -- -R Door', ITSELF + ', which examples:Door.… is part of'),
    ('docs/measured.md', 'carillon bench sockets --against bench/node_ws/run --part idle --part broadcast --part latency --rounds 21',
     'as in bench/README.md'),
    ('docs/measured.md', './dev chaos --minutes 30', MINUTES + '; cluster_nodes:… does the same for seconds'),
    ('docs/cluster.md', './dev model', MINUTES + '; model:… runs the part of it called --reduced'),
    ('docs/model/README.md', './dev model', MINUTES + '; see docs/cluster.md'),
    ('docs/model/README.md', './dev model --large', 'takes many minutes'),
    ('docs/model/README.md', './dev model --reduced', 'is the test model:P1P2P8HoldInAReducedModel'),
    (OPERATING, 'apt-get install libcaf-core0.17 libcaf-io0.17 libcapnp-0.9.2 libfmt9 libleveldb1d libprometheus-cpp-core1.0 '
     'librhonabwy1.1 libspdlog1.10 libssl3 libstdc++6 libtcmalloc-minimal4 libxxhash0', MACHINE),
    (OPERATING, 'apt-get install etcd-server etcd-client', MACHINE),
    (OPERATING, 'systemctl disable --now etcd', MACHINE),
    (OPERATING, 'systemctl disable --now carillon', MACHINE),
    (OPERATING, 'apt-get install stunnel4', MACHINE),
    (OPERATING, 'systemctl enable --now stunnel@carillon', MACHINE),
    (OPERATING, 'systemctl edit stunnel@carillon', MACHINE),
    (OPERATING, 'systemctl kill -s HUP stunnel@carillon', MACHINE),
    (OPERATING, 'journalctl -u stunnel@carillon', MACHINE),
    (OPERATING, 'etcdctl snapshot save /backup/etcd.snapshot', MACHINE),
    (OPERATING, 'etcdctl snapshot restore /backup/etcd.snapshot --data-dir /var/lib/etcd/restored', MACHINE),
    ('docs/security.md', 'ctest -R', ITSELF),
    ('clients/cpp/README.md', 'apt-get install g++ cmake ninja-build pkg-config capnproto libcapnp-dev libssl-dev libxxhash-dev',
     MACHINE),
    ('clients/cpp/README.md', 'cmake -S . -B build -G Ninja && cmake --build build',
     'is the test clients:AnotherProjectBuildsWithTheClient'),
    ('clients/javascript/README.md', 'npm ci', 'the test javascript:… runs it where it is needed'),
    ('clients/javascript/README.md', 'npm test', 'is the test javascript:…'),
    ('clients/javascript/README.md', 'npm run test:kills', MINUTES + '; javascript:… does it with 3 kills'),
    ('clients/javascript/README.md', 'npm run test:cluster', MINUTES),
    ('tests/browser/README.md', 'node tests/browser/run.js', 'is the test browser:…'),
    ('tests/browser/README.md', 'node tests/browser/run.js hunt', 'is a part of the test browser:…'),
    ('tests/browser/README.md', 'node tests/browser/screenshots.js', 'writes pictures into docs/'),
    ('tests/fuzz/README.md', './dev fuzz --minutes 10', MINUTES),
    ('tests/fuzz/README.md', './dev fuzz --minutes 1 json', MINUTES + ', and needs clang'),
    (GUIDE, 'js', 'needs OpenTelemetry\'s packages and a page\'s show(); that it is JavaScript is checked'),
]
