"""client-go's role: REST, informers, work queues and the one control loop.

Law: public; the components of this project use exactly what an operator author uses.
"""
