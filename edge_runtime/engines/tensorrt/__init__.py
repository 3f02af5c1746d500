"""TensorRT: plans built on the device from a bundle's ONNX files, kept in a cache, and run.

`engine` is what the table of engines names; it falls back to ONNX Runtime where TensorRT is not to be had. NVIDIA's
libraries are imported only inside functions: nothing here needs them until an engine is opened.

The way from a graph to a running plan::

    engine -> prepare -> plan_cache            a plan of an earlier start, checked
                      -> supervise -> build    a process of its own -> network, inspection
           -> runner  -> lane -> buffers       memory through cuda-python or pycuda
"""
