"""TensorFlow updates a weight only after each read of it, in the graphs that it optimizes."""

import keras
import pytest
from helpers import N_FEATURES, make_vae

import keras_vae as kv

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the graphs are TensorFlow's"
)


def optimized_graphs(function, *args):
    """Runs a `tf.function` and returns its graphs as they were executed."""
    from tensorflow.python.eager import context

    function.get_concrete_function(*args)
    context.context().enable_graph_collection()
    function(*args)
    graphs = context.context().export_run_metadata().partition_graphs
    context.context().disable_graph_collection()
    return graphs


def inputs(node):
    """The names of the nodes that must run before this one."""
    return [name.lstrip("^").split(":")[0] for name in node.input]


def ancestors(name, nodes):
    seen, todo = set(), [name]
    while todo:
        new = set(inputs(nodes[todo.pop()])) - seen
        seen |= new
        todo += new
    return seen


def unordered_pairs(graph):
    """The reads and updates of one variable of which either may run first."""
    nodes = {node.name: node for node in graph.node}
    before = {name: ancestors(name, nodes) for name in nodes}
    reads = [n for n in graph.node if n.op == "ReadVariableOp"]
    updates = [n for n in graph.node if n.op.startswith("Assign")]
    pairs = [(r, u) for r in reads for u in updates if inputs(r)[0] == inputs(u)[0]]
    assert len(pairs) > 20
    return [
        (r.name, u.name)
        for r, u in pairs
        if r.name not in before[u.name] and u.name not in before[r.name]
    ]


# Those in which gradients of a critic's weights do not depend on each of their reads,
# and one in which the loss reads a weight between two updates.
@pytest.mark.parametrize(
    "parts",
    [
        {"objective": "factor_vae"},
        {"objective": "info_max_vae"},
        {"likelihood": kv.likelihoods.Gaussian("optimal"), "objective": "iwae"},
    ],
    ids=["factor_vae", "info_max_vae", "optimal_sigma"],
)
def test_no_update_overtakes_a_read(x, parts):
    import tensorflow as tf

    vae = make_vae(**parts)
    vae.train_on_batch(x[:32])
    step = tf.function(vae.train_step, autograph=False)
    graphs = optimized_graphs(step, (tf.zeros((32, N_FEATURES)),))
    assert [unordered_pairs(graph) for graph in graphs if len(graph.node) > 100] == [[]]
