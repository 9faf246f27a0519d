"""What operators load into Prometheus and Grafana fits what a node really says.

usage: monitoring_test.py PROGRAM        (exit code 77: promtool is not installed)

Goal: no alert and no panel asks for a figure that does not exist, and each alert leads to a runbook.
Method: promtool judges the rules, their unit tests and the /metrics of a running node; the names that rules and dashboard use are
looked up in the sources, since a node alone has no figures of a cluster.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS = ROOT / 'docs/alerts.yml'
DASHBOARD = ROOT / 'docs/grafana-dashboard.json'
NAME = re.compile(r'\bcarillon_([a-z_]+)')


def promtool(*arguments, text=None):
    done = subprocess.run(['promtool', *arguments], input=text, text=True, capture_output=True, cwd=ROOT)
    assert done.returncode == 0, f'promtool {" ".join(arguments)}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr


def metrics_of_a_node(program):
    with tempfile.TemporaryDirectory() as directory:
        ready = pathlib.Path(directory, 'ready')
        words = [program, 'serve', '--data', f'{directory}/data', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0',
                 '--ready-file', str(ready)]
        with open(f'{directory}/log', 'w') as log, subprocess.Popen(words, stdout=log, stderr=log) as node:
            try:
                deadline = time.monotonic() + 60
                while not ready.exists():
                    assert node.poll() is None and time.monotonic() < deadline, pathlib.Path(directory, 'log').read_text()
                    time.sleep(0.02)
                http = json.loads(ready.read_text())['http']
                with urllib.request.urlopen(f'http://{http}/metrics', timeout=30) as answer:
                    return answer.read().decode()
            finally:
                node.terminate()


def names_in(text):
    return {re.sub(r'_(bucket|sum|count)$', '', name) if 'stage_seconds' in name else name for name in NAME.findall(text)}


def known_names():
    sources = ''.join(path.read_text() for path in (ROOT / 'actors').glob('*.cc'))
    figures = set(re.findall(r'\{\s*"([a-z][a-z_]+)",\s*"[A-Z0-9]', sources))  # {"name", "Help …
    families = set(re.findall(r'"carillon_([a-z_]+)"', sources))
    links = set(re.findall(r'add_of_links\(\s*"([a-z_]+)"', sources))
    return figures | families | links


def main(program):
    if shutil.which('promtool') is None:
        print('skipped: there is no promtool here; apt-get install prometheus')
        return 77
    said = promtool('check', 'rules', str(ALERTS))
    print(said.strip())
    promtool('test', 'rules', 'tests/monitoring/alerts_test.yml')
    metrics = metrics_of_a_node(program)
    complaints = promtool('check', 'metrics', text=metrics).strip()
    assert complaints == '', complaints

    rules = ALERTS.read_text()
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = '\n'.join(target['expr'] for panel in dashboard['panels'] for target in panel.get('targets', []))
    known = known_names()
    for where, text in ((ALERTS, rules), (DASHBOARD, expressions)):
        used = names_in(text)
        assert len(used) > 10, f'{where.name} uses next to nothing: {used}'
        assert used <= known, f'{where.name} asks for what no node says: {sorted(used - known)}'
    exported = set(re.findall(r'^# TYPE carillon_(\S+)', metrics, re.M))
    assert exported <= known, f'this test does not find the names in the sources: {sorted(exported - known)}'

    # The dashboard's expressions are PromQL, once Grafana has filled in its variables.
    filled = expressions.replace('$__rate_interval', '1m').replace('$job', 'carillon').replace('$instance', '.*')
    with tempfile.NamedTemporaryFile('w', suffix='.yml') as file:
        lines = filled.split('\n')
        file.write('groups:\n- name: dashboard\n  rules:\n')
        for number, line in enumerate(lines):
            file.write(f'  - record: panel_{number}\n    expr: {json.dumps(line)}\n')
        file.flush()
        promtool('check', 'rules', file.name)

    headings = {re.sub(r'[^a-z0-9-]', '', line.lstrip('#').strip().lower().replace(' ', '-'))
                for line in (ROOT / 'docs/operating.md').read_text().splitlines() if line.startswith('#')}
    alerts = re.findall(r'- alert: (\w+)', rules)
    tested = (ROOT / 'tests/monitoring/alerts_test.yml').read_text()
    for alert in alerts:
        assert f'runbook: operating.md#{alert.lower()}\n' in rules and alert.lower() in headings, f'{alert} has no runbook'
        assert re.search(rf'alertname: {alert}\n\s+eval_time: \S+\n\s+exp_alerts:\n', tested), f'no test has {alert} fire'
    print(f'{len(alerts)} alerts, {len(lines)} expressions of the dashboard, {len(exported)} metrics of a node')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
